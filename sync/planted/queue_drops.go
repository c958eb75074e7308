//go:build planted_queue_drops

package planted

const planted = "queue_drops"
