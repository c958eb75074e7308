package core

import (
	"context"
	"path/filepath"
	"time"

	"wardline/core/cluster"
	"wardline/sync/record"
	"wardline/sync/search"
)

// keyWait bounds how long the search index waits for the city's first wrapping key.
const keyWait = 10 * time.Second

// openIndex makes the node's search index, in files of its own, under a key that turns
// with the wrapping keys. It is opened when it runs.
func (n *Node) openIndex() {
	key := func() ([32]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), keyWait)
		defer cancel()
		return n.keys.Derive(ctx, "search")
	}
	n.index = search.New(search.Options{Dir: filepath.Join(n.c.Dir, "search"), Log: searchLog{cityLog{n.machine}, backend{n}}, Logger: n.log,
		Key: key, Again: true,
		Room: func() bool {
			level, err := n.space.Level()
			return err == nil && level == cluster.SpacePlenty
		}})
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
