//go:build planted_repeat_unknown

package planted

const planted = "repeat_unknown"
