//go:build planted_resync_empty

package planted

const planted = "resync_empty"
