package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/report"
)

// malformed is how input that was refused for good is kept; part of the stored format.
type malformed struct {
	Raw    []byte `json:"raw,omitempty"` // in the clear: of an older program
	Sealed []byte `json:"sealed,omitempty"`
	Bytes  int    `json:"bytes"` // as it came; Raw may be cut
	SHA256 string `json:"sha256"`
	Device string `json:"device"`
	Via    string `json:"via"`
	At     int64  `json:"at"` // milliseconds since the Unix epoch, UTC
	Field  string `json:"field"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// quarantine keeps what is refused for good, before its sender is told so: in
// the routine lane, for nobody waits for it.
func (b backend) quarantine(ctx context.Context, from identity.Device, raw []byte, p *report.Problem) error {
	sum := sha256.Sum256(raw)
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	sealed, err := b.n.keys.SealRaw(ctx, raw[:min(len(raw), report.MaxPayload)])
	if err != nil {
		return unavailable(err)
	}
	m := malformed{Sealed: sealed, Bytes: len(raw), SHA256: hex.EncodeToString(sum[:]), Device: from.ID, Via: "http",
		At: b.n.wall().UnixMilli(), Field: p.Where(), Type: string(p.Type), Detail: p.Detail}
	enc, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := b.n.propose(ctx, cluster.Routine, fsm.Malformed(from.ID, m.At, enc)); err != nil {
		return unavailable(err)
	}
	return nil
}

// Malformed lists what was refused for good at the city's door, at any node.
func (b backend) Malformed(ctx context.Context, limit int) ([]api.Malformed, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	rows, err := b.n.machine.Quarantined(limit)
	if err != nil {
		return nil, err
	}
	out := make([]api.Malformed, 0, len(rows))
	for _, row := range rows {
		var m malformed
		if err := json.Unmarshal(row, &m); err != nil {
			return nil, err
		}
		if len(m.Sealed) > 0 {
			if m.Raw, err = b.n.keys.OpenRaw(m.Sealed); err != nil {
				m.Raw = nil // its key is destroyed by now
			}
		}
		out = append(out, api.Malformed{Raw: append([]byte{}, m.Raw...), Bytes: m.Bytes, SHA256: m.SHA256, Device: m.Device, Via: m.Via, At: api.Time(m.At),
			Field: m.Field, Type: m.Type, Detail: m.Detail})
	}
	return out, nil
}
