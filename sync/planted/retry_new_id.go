//go:build planted_retry_new_id

package planted

const planted = "retry_new_id"
