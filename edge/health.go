package edge

import "wardline/sync/wire"

// health is how the station is, for people at the city: what its own desk says of it too.
func (s *Station) health() *wire.Health {
	st, line := s.ledger.Stats(), backend{s}.Line()
	h := &wire.Health{WallMs: s.wall().UnixMilli(), FreeBytes: uint64(max(0, st.Free)), Room: st.Room, Lag: line.Lag, Quarantined: uint64(max(0, st.Quarantined)),
		Incarnation: uint64(st.Incarnation), Alarms: line.Alarms}
	if until, _ := s.member.Status(); !until.IsZero() {
		h.CertificateUntilMs = until.UnixMilli()
	}
	return h
}
