//go:build planted_receipt_first

package planted

const planted = "receipt_first"
