//go:build planted_unsynced

package planted

const planted = "unsynced"
