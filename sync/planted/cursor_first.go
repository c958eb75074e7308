//go:build planted_cursor_first

package planted

const planted = "cursor_first"
