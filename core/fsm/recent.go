package fsm

import (
	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Bounds of what is probably the same event.
const (
	// recentWindow is how many city indexes back a new report is compared: the
	// window follows from the log alone, so that every node has the same.
	recentWindow = 8192
	nearTime     = 10 * 60 * 1000 // milliseconds
	nearMetres   = 150
	// maxNamed is how often one incident is named by later ones. A crowd at one fire
	// hangs together as a tree, and no incident's history grows with the crowd.
	maxNamed = 8
	// maxLooked bounds the reports that one is compared with, the newest first.
	maxLooked = 256
)

type recentRow struct {
	index    uint64
	incident record.ID
	id       record.ID // of the entry
	category record.Category
	at       int64
	lat, lon int64
	panel    bool
	named    int // by how many later reports
}

// recent is the places of the last reports, in the city's order, by cell.
type recent struct {
	rows  []recentRow
	cells map[[2]int32][]int // indexes into rows, counted from base
	by    map[record.ID]int  // incident -> index into rows, counted from base
	base  int
}

// cellE7 is the width of a cell, about 220 m of latitude.
const cellE7 = 20_000

func cellOf(r *recentRow) [2]int32 {
	return [2]int32{int32(floorDiv(r.lat, cellE7)), int32(floorDiv(r.lon, cellE7))}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (w *recent) add(r recentRow) {
	if w.cells == nil {
		w.cells, w.by = map[[2]int32][]int{}, map[record.ID]int{}
	}
	c := cellOf(&r)
	w.cells[c] = append(w.cells[c], w.base+len(w.rows))
	w.by[r.incident] = w.base + len(w.rows)
	w.rows = append(w.rows, r)
	for len(w.rows) > 0 && w.rows[0].index+recentWindow < r.index {
		old := cellOf(&w.rows[0])
		list := w.cells[old][1:]
		if len(list) == 0 {
			delete(w.cells, old)
		} else {
			w.cells[old] = list
		}
		if w.by[w.rows[0].incident] == w.base {
			delete(w.by, w.rows[0].incident)
		}
		w.rows = w.rows[1:]
		w.base++
	}
}

// name counts that an incident was named by a later report.
func (w *recent) name(incident record.ID) {
	if i, ok := w.by[incident]; ok {
		w.rows[i-w.base].named++
	}
}

// load rebuilds the window from the log, with what suggest has counted.
func (w *recent) load(tx *badger.Txn, index uint64) error {
	*w = recent{}
	from := uint64(1)
	if index > recentWindow {
		from = index - recentWindow
	}
	last := from - 1
	err := entries(tx, from, func(r row) error {
		last = r.index
		switch {
		case r.index > index:
			return errStop
		case r.listed != record.KindReport && r.listed != record.KindSuggested:
			return nil
		}
		body, err := record.DecodeBody(r.entry.Body)
		if err != nil {
			return err
		}
		if r.listed == record.KindSuggested {
			if body.Origin != record.CoreOrigin {
				return nil // suggest did not count it
			}
			for _, id := range body.Payload.Incidents {
				w.name(id)
			}
		} else if row, ok := recentOf(&body, r.index); ok {
			w.add(row)
		}
		return nil
	})
	if err == nil && last < index {
		err = nothingAt(last + 1)
	}
	return err
}

func recentOf(b *record.Body, index uint64) (recentRow, bool) {
	p := b.Payload.Place
	if p == nil {
		return recentRow{}, false
	}
	return recentRow{index: index, incident: b.Incident, id: b.ID, category: b.Payload.Category, at: b.CapturedAt,
		lat: int64(p.LatE7), lon: int64(p.LonE7), panel: b.Payload.Signal != nil}, true
}

// suggest names incidents that are probably about the same event. Nothing is
// merged: an officer decides.
func (b *batch) suggest(body *record.Body, index uint64) error {
	row, ok := recentOf(body, index)
	if !ok {
		return nil
	}
	w := &b.m.recent
	found := w.near(&row)
	w.add(row)
	for _, o := range found {
		reason := "near_same_kind"
		if o.category != row.category {
			reason = "near_panic"
		}
		sug := record.Body{ID: record.DerivedID("suggested", o.incident[:], row.incident[:]), Incident: row.incident, Kind: record.KindSuggested,
			Origin: record.CoreOrigin, Deps: []record.ID{body.ID, o.id}, HLC: body.HLC + 2, Clock: body.Clock, ReceivedAt: body.ReceivedAt,
			Payload: record.Payload{Reason: reason, Incidents: []record.ID{o.incident}}}
		w.name(o.incident)
		before, err := b.toldOf(&sug)
		if err != nil {
			return err
		}
		if _, _, err := b.putCore(&sug, 0, record.KindSuggested, 0); err != nil {
			return err
		}
		if err := b.tell(&sug, before, b.meta.index); err != nil {
			return err
		}
	}
	return nil
}

// near are the reports that are probably about the same event: the oldest of the
// same kind, beside which a later one belongs, and the newest of those for which one
// of the two is a call for help.
func (w *recent) near(row *recentRow) (found []recentRow) {
	var kind, help *recentRow
	c := cellOf(row)
	var lists [9][]int
	for i := range lists {
		lists[i] = w.cells[[2]int32{c[0] + int32(i/3) - 1, c[1] + int32(i%3) - 1}]
	}
	for range maxLooked {
		newest := -1
		for i, l := range lists {
			if len(l) > 0 && (newest < 0 || l[len(l)-1] > lists[newest][len(lists[newest])-1]) {
				newest = i
			}
		}
		if newest < 0 {
			break
		}
		l := lists[newest]
		o := &w.rows[l[len(l)-1]-w.base]
		lists[newest] = l[:len(l)-1]
		if o.index+recentWindow < row.index {
			break
		}
		switch {
		case o.incident == row.incident || o.named >= maxNamed || !same(o, row):
		case o.category == row.category:
			kind = o
		case help == nil:
			help = o
		}
	}
	for _, o := range []*recentRow{kind, help} {
		if o != nil {
			found = append(found, *o)
		}
	}
	return found
}

// same says whether two reports are probably about one event: near in time and
// place, and of the same kind or one of them a call for help.
func same(a, b *recentRow) bool {
	dt := a.at - b.at
	if dt > nearTime || dt < -nearTime {
		return false
	}
	if a.category != b.category && a.category != record.Panic && b.category != record.Panic {
		return false
	}
	// 10⁻⁷ degrees of latitude are 11.132 mm; at the city's latitude (10.8°)
	// those of longitude are 10.935 mm. In micrometres they fit 64 bits within a cell's distance.
	dy, dx := (a.lat-b.lat)*11132, (a.lon-b.lon)*10935
	const near = nearMetres * 1_000_000
	if dy > near || dy < -near || dx > near || dx < -near {
		return false
	}
	dy, dx = dy/1000, dx/1000 // millimetres
	return dy*dy+dx*dx <= (nearMetres*1000)*(nearMetres*1000)
}
