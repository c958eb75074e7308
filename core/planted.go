package core

import (
	"context"

	"wardline/core/cluster"
	"wardline/sync/record"
	"wardline/sync/uplink"
	"wardline/sync/wire"
)

// receiptFirst is planted.ReceiptFirst: it answers OK for the last entry, and
// lets the batch be committed when it may.
func (c city) receiptFirst(_ context.Context, l cluster.Lane, entries []byte, batch func(*record.Wrapper) []byte) (uplink.Outcome, error) {
	out := uplink.Outcome{Status: wire.Answer_OK}
	for rest := entries; len(rest) > 0; {
		e, r, err := record.DecodeEntry(rest)
		if err != nil {
			return uplink.Outcome{}, err
		}
		out.Seq, out.Hash, rest = e.Link.Seq, e.Hash(), r
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
		defer cancel()
		_, _ = proposeSealed(ctx, c.l.d.Cluster, c.l.d.Keys, l, true, batch) // that nobody looks is the bug
	}()
	return out, nil
}
