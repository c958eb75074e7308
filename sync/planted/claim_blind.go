//go:build planted_claim_blind

package planted

const planted = "claim_blind"
