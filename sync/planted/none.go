//go:build !(planted_ack_before_sync || planted_unsynced || planted_queue_drops || planted_cursor_first || planted_retry_new_id || planted_receipt_first || planted_gap_taken || planted_repeat_unknown || planted_applied_apart || planted_state_differs || planted_resync_empty || planted_fold_arrival || planted_stale_read || planted_claim_blind)

package planted

const planted = ""
