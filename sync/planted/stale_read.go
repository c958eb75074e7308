//go:build planted_stale_read

package planted

const planted = "stale_read"
