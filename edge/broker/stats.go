package broker

import "sync/atomic"

// Stats are figures for metrics; those in the first group are of this moment, the
// others count from the start.
type Stats struct {
	Connections int   // logged in
	HalfOpen    int   // not yet
	Sessions    int   // with and without a connection
	Retained    int   // topics with a retained status
	QueuedBytes int64 // waiting for devices
	Refused     int64 // publishes answered Later that clients still have

	Publishes     uint64 // taken, without QoS 2 repeats
	Acks          uint64 // PUBACK and PUBREC
	Later         uint64 // answers
	Malformed     uint64 // answers
	TooLarge      uint64 // packets above MaxDrain, their connections ended
	Dropped       uint64 // messages for devices
	LoginsRefused uint64
	TLSRefused    uint64 // handshakes that failed
	HalfOpenEnded uint64 // closed for a newer one
	FrontsRefused uint64 // connections of Config.Proxies that did not say for whom
	Panics        uint64 // in the server library, contained
}

type counters struct {
	publishes, acks, later, malformed, tooLarge, dropped, refused, panics, tls, fronts atomic.Uint64
}

// Stats returns the figures.
func (b *Broker) Stats() Stats {
	s := Stats{
		QueuedBytes: b.queued.Load(), Refused: b.refused.Load(),
		Publishes: b.stats.publishes.Load(), Acks: b.stats.acks.Load(), Later: b.stats.later.Load(),
		Malformed: b.stats.malformed.Load(), TooLarge: b.stats.tooLarge.Load(), Dropped: b.stats.dropped.Load(),
		LoginsRefused: b.stats.refused.Load(), Panics: b.stats.panics.Load(), TLSRefused: b.stats.tls.Load(),
		FrontsRefused: b.stats.fronts.Load(),
	}
	s.HalfOpen, s.HalfOpenEnded = b.gate.count()
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Connections, s.Sessions, s.Retained = max(0, len(b.conns)-s.HalfOpen), len(b.sessions), len(b.retained)
	return s
}
