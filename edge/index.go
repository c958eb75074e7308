package edge

import (
	"context"
	"path/filepath"

	"wardline/sync/record"
	"wardline/sync/search"
)

// openIndex makes the station's search index, in files of its own. It is opened when
// it runs, under a key that turns with the wrapping keys, and rests while the ledger has more to do than it should wait.
func (s *Station) openIndex() {
	s.index = search.New(search.Options{Dir: filepath.Join(s.c.Dir, "search"), Log: searchLog{stationLog{s.ledger}, backend{s}}, Logger: s.log,
		Key: func() ([32]byte, error) { return s.keys.Derive(context.Background(), "search") }, Room: s.ledger.Roomy})
}

// searchLog is what the search index follows.
type searchLog struct {
	stationLog
	b backend
}

func (l searchLog) Open(at uint64, s *record.Sealed) ([]byte, error) { return l.b.Open(at, s) }

func (l searchLog) Entries(id record.ID) ([]search.Entry, error) {
	rows, err := l.l.Incident(id)
	out := make([]search.Entry, len(rows))
	for i, r := range rows {
		out[i] = search.Entry{Position: r.Position, Body: r.Body}
	}
	return out, err
}

func (b backend) Index() *search.Index { return b.s.index }
