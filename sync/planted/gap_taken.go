//go:build planted_gap_taken

package planted

const planted = "gap_taken"
