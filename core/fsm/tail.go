package fsm

import (
	"slices"
	"sync"

	"wardline/sync/record"
)

// tail is the last committed entries, decoded: those who follow the log (lists, live
// streams, the stations' outboxes) seldom read what is older.
type tail struct {
	mu   sync.Mutex // guards all below
	runs [][]tailRow
	n    int // rows in runs, which follow on each other
}

type tailRow struct {
	row
	hash record.Hash
	body *record.Body // shared with those who read it
}

func (r *tailRow) out() Row { return Row{r.index, r.listed, r.first, r.entry, *r.body} }

// maxTail is how many are kept at least, at some 1.5 KB each: more than a drain commits
// between two looks of a list, and than the proof's tree lets come together.
const maxTail = 12_288

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs, t.n = nil, 0
}

// add takes over what a transaction has committed.
func (t *tail) add(rows []tailRow) {
	if len(rows) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs = append(t.runs, rows)
	t.n += len(rows)
	drop := 0
	for t.n-len(t.runs[drop]) >= maxTail {
		t.n -= len(t.runs[drop])
		drop++
	}
	t.runs = slices.Delete(t.runs, 0, drop)
}

// fromLocked gives the runs from the one that holds an index on, and where it stands
// there; false when it is older than all of them.
func (t *tail) fromLocked(index uint64) (runs [][]tailRow, at int, ok bool) {
	i, found := slices.BinarySearchFunc(t.runs, index, func(r []tailRow, n uint64) int {
		switch {
		case r[len(r)-1].index < n:
			return -1
		case r[0].index > n:
			return 1
		}
		return 0
	})
	if !found {
		return nil, 0, i > 0 && i == len(t.runs)
	}
	return t.runs[i:], int(index - t.runs[i][0].index), true
}

// after gives up to limit entries after an index; false when the oldest of them is not here.
func (t *tail) after(index uint64, limit int) ([]*tailRow, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	runs, at, ok := t.fromLocked(index + 1)
	if !ok {
		return nil, false
	}
	var out []*tailRow
	for _, run := range runs {
		if out == nil {
			out = make([]*tailRow, 0, min(limit, t.n))
		}
		for i := at; i < len(run) && len(out) < limit; i++ {
			out = append(out, &run[i])
		}
		at = 0
	}
	return out, true
}

// at gives one entry, if it is here.
func (t *tail) at(index uint64) (Row, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	runs, at, ok := t.fromLocked(index)
	if !ok || runs == nil {
		return Row{}, false
	}
	return runs[0][at].out(), true
}
