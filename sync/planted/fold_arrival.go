//go:build planted_fold_arrival

package planted

const planted = "fold_arrival"
