//go:build planted_state_differs

package planted

const planted = "state_differs"
