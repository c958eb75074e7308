//go:build planted_applied_apart

package planted

const planted = "applied_apart"
