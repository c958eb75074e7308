package intake

import (
	"crypto/sha256"
	"encoding/hex"

	"wardline/sync/report"
)

// maxRaw bounds what is kept of malformed bytes: as much as the largest report.
const maxRaw = report.MaxPayload

// Refuse keeps malformed bytes and then says so: without an acknowledgement an
// MQTT 3.1.1 client would send the same bytes for ever, with a panic stuck
// behind them. done is called as in [Door.Report].
func (d *Door) Refuse(src Source, raw []byte, p *report.Problem, done func(Answer, error)) {
	sum := sha256.Sum256(raw)
	m := Malformed{Raw: raw[:min(len(raw), maxRaw)], Bytes: len(raw), SHA256: hex.EncodeToString(sum[:]), Device: src.Device, Via: src.Via, At: d.wall().UnixMilli(),
		Field: p.Where(), Type: string(p.Type), Detail: p.Detail}
	d.ledger.Quarantine(m, func(err error) {
		if err != nil {
			done(Answer{}, err)
			return
		}
		d.counts.Malformed.Add(1)
		done(Answer{}, p)
	})
}
