//go:build planted_ack_before_sync

package planted

const planted = "ack_before_sync"
