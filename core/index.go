package core

import (
	"path/filepath"

	"wardline/core/cluster"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/search"
)

// openIndex makes the node's search index, in files of its own. It is opened when it runs.
func (n *Node) openIndex() error {
	key, err := sealing.Derive(n.c.CityKey, "search")
	if err != nil {
		return err
	}
	n.index = search.New(search.Options{Dir: filepath.Join(n.c.Dir, "search"), Log: searchLog{cityLog{n.machine}, backend{n}}, Logger: n.log,
		Key: func() ([32]byte, error) { return key, nil },
		Room: func() bool {
			level, err := n.space.Level()
			return err == nil && level == cluster.SpacePlenty
		}})
	return nil
}

// searchLog is what the search index follows.
type searchLog struct {
	cityLog
	b backend
}

func (l searchLog) Open(at uint64, s *record.Sealed) ([]byte, error) { return l.b.Open(at, s) }

func (l searchLog) Entries(id record.ID) ([]search.Entry, error) {
	rows, err := l.m.Incident(id)
	out := make([]search.Entry, len(rows))
	for i, r := range rows {
		out[i] = search.Entry{Position: r.Index, Body: r.Body}
	}
	return out, err
}

func (b backend) Index() *search.Index { return b.n.index }
