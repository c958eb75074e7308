package search

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// Limits of a question.
const (
	// MaxText bounds the words, in bytes, and maxWords their number.
	MaxText  = 256
	maxWords = 16
	// maxPrefix bounds the rows that the beginning of a word reads.
	maxPrefix = 100_000
	// maxLook bounds the incidents whose time is looked at for one answer; such an answer may
	// hold fewer than asked and has a Next.
	maxLook = 20_000
)

// Errors of a question.
var (
	ErrNoWords = errors.New("search: there is no word to look for")
	ErrCursor  = errors.New("search: the cursor is of another index; begin again without it")
)

// Query says what is looked for: every word, the last one also as a beginning. Zero values ask for everything.
type Query struct {
	Text string
	// Scope and Unit: those units must lead it or have been told.
	Scope, Unit record.UnitID
	Category    record.Category
	Priority    record.Priority
	// Status is one of record.Statuses, or "open".
	Status string
	// From and To bound when it was received, milliseconds since the Unix epoch, UTC; To is exclusive.
	From, To int64
	Limit    int
	Cursor   []byte // Next of the page before
}

// Page is a part of the answer: candidates, the best first, of equally good ones the
// latest that came here.
type Page struct {
	IDs  []record.ID
	Next []byte // nil at the end
}

// words are what a text asks for.
func words(text string) (out []token) {
	tokens(text, func(t token) bool {
		out = append(out, t)
		return len(out) < maxWords
	})
	return out
}

// begins says whether the last of the words may be the beginning of one: a single letter
// that is all there is begins too many.
func begins(ws []token) bool { return len(ws) > 1 || len(ws) == 1 && len(ws[0].folded) > 1 }

// Words says whether there is something to look for.
func (q *Query) Words() bool {
	_, is := ids(q.Text)
	return is || len(words(q.Text)) > 0
}

// sets are the members of a term by chunk.
type sets map[uint32]*set

// read adds the rows with a prefix of the key; of a row it takes the chunk alone.
func (s sets) read(tx *badger.Txn, prefix []byte, most int) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix = prefix
	opt.PrefetchSize = 64
	it := tx.NewIterator(opt)
	defer it.Close()
	for it.Rewind(); it.Valid() && most > 0; it.Next() {
		most--
		k := it.Item().Key()
		if len(k) < 6 {
			return errRow
		}
		c := chunkOf(k)
		if s[c] == nil {
			s[c] = &set{}
		}
		if err := it.Item().Value(s[c].decode); err != nil {
			return err
		}
	}
	return nil
}

func term(tx *badger.Txn, t string) (sets, error) {
	s := sets{}
	return s, s.read(tx, append([]byte(t), 0), maxPrefix)
}

// and keeps what stands in both.
func (s sets) and(o sets) {
	for c, x := range s {
		if y := o[c]; y == nil || !x.and(y) {
			delete(s, c)
		}
	}
}

// grades is how many kinds of fit there are.
const grades = 8

// found is the answer's members and how well each fits: with these diacritics (4), the words
// side by side (2), the last word whole (1).
type found struct {
	all   sets
	parts [3]sets // nil: does not tell one from another
}

// of are a chunk's members of a grade.
func (f *found) of(grade int, chunk uint32) (s set) {
	if s = *f.all[chunk]; s == (set{}) {
		return s
	}
	for i, p := range f.parts {
		var has set
		if p == nil {
			if grade&(4>>i) != 0 {
				return set{}
			}
			continue
		}
		if x := p[chunk]; x != nil {
			has = *x
		}
		for w := range s {
			if grade&(4>>i) != 0 {
				s[w] &= has[w]
			} else {
				s[w] &^= has[w]
			}
		}
	}
	return s
}

// look finds all members.
func (q *Query) look(tx *badger.Txn) (*found, error) {
	f := &found{}
	ws := words(q.Text)
	for i, w := range ws {
		var s sets
		var err error
		if last := i == len(ws)-1; last && begins(ws) {
			s = sets{}
			if err = s.read(tx, []byte(string(kindWord)+w.folded), maxPrefix); err == nil {
				f.parts[2], err = term(tx, string(kindWord)+w.folded)
			}
		} else {
			s, err = term(tx, string(kindWord)+w.folded)
		}
		if err != nil {
			return nil, err
		}
		if f.all == nil {
			f.all = s
		} else {
			f.all.and(s)
		}
	}
	for _, t := range q.filters() {
		s, err := term(tx, t)
		if err != nil {
			return nil, err
		}
		f.all.and(s)
	}
	if len(f.all) == 0 {
		return f, nil
	}
	both := func(into *sets, t string) error {
		s, err := term(tx, t)
		if *into == nil {
			*into = s
		} else {
			into.and(s)
		}
		return err
	}
	for i, w := range ws {
		if w.exact != w.folded {
			if err := both(&f.parts[0], bucketed(kindExact, w.exact)); err != nil {
				return nil, err
			}
		}
		if i > 0 {
			if err := both(&f.parts[1], bucketed(kindPair, ws[i-1].folded, w.folded)); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// filters are the terms that everything found must stand in.
func (q *Query) filters() (out []string) {
	add := func(kind byte, v string) {
		if v != "" {
			out = append(out, string(kind)+v)
		}
	}
	add(kindUnit, string(q.Scope))
	add(kindUnit, string(q.Unit))
	add(kindCategory, string(q.Category))
	if q.Priority != 0 {
		add(kindPriority, q.Priority.String())
	}
	if q.Status == "open" {
		add(kindOpen, "1")
	} else {
		add(kindStatus, q.Status)
	}
	return out
}

// Holds says whether an incident, as it is now, passes the filters of the question; its
// words are Match's.
func (q *Query) Holds(in *record.Incident) bool {
	for _, u := range []record.UnitID{q.Scope, q.Unit} {
		if _, told := in.Unit(u); u != "" && u != in.Lead && !told {
			return false
		}
	}
	at := in.ReceivedAt()
	return (q.Category == "" || q.Category == in.Category) && (q.Priority == 0 || q.Priority == in.Priority) &&
		(q.Status == "" || q.Status == in.Status || q.Status == "open" && in.Open()) && at >= q.From && (q.To == 0 || at < q.To)
}

// Search answers a question with candidates: whoever shows one reads it anew and
// holds it to the question (Match) and to the asker's scope.
func (x *Index) Search(q Query) (p Page, err error) {
	if !q.Words() {
		return p, ErrNoWords
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.db == nil {
		return p, ErrNotReady
	}
	grade, below := grades-1, ^uint32(0) // below: exclusive
	if q.Cursor != nil {
		if len(q.Cursor) != 9 || binary.BigEndian.Uint32(q.Cursor) != x.epoch || q.Cursor[4] >= grades {
			return p, ErrCursor
		}
		grade, below = int(q.Cursor[4]), binary.BigEndian.Uint32(q.Cursor[5:])
	}
	err = x.db.View(func(tx *badger.Txn) error {
		if s, is := ids(q.Text); is && q.Cursor == nil {
			if p.IDs, err = byID(tx, s, q.Limit); err != nil || len(p.IDs) > 0 {
				return err
			}
		}
		if len(words(q.Text)) == 0 {
			return nil
		}
		f, err := q.look(tx)
		if err != nil || len(f.all) == 0 {
			return err
		}
		w := walk{tx: tx, q: &q, f: f, epoch: x.epoch}
		for ; grade >= 0 && p.Next == nil; grade-- {
			if err := w.grade(&p, grade, below, (x.next+chunkDocs-1)/chunkDocs); err != nil {
				return err
			}
			below = ^uint32(0)
		}
		return nil
	})
	return p, err
}

// byID finds incidents by the beginning of their ids.
func byID(tx *badger.Txn, s span, limit int) (out []record.ID, err error) {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false
	opt.Prefix = []byte{rowID}
	it := tx.NewIterator(opt)
	defer it.Close()
	for it.Seek(append([]byte{rowID}, s.from[:]...)); it.Valid() && len(out) < limit; it.Next() {
		id := it.Item().Key()[1:]
		if len(id) != 16 || bytes.Compare(id, s.to[:]) > 0 {
			break
		}
		out = append(out, record.ID(id))
	}
	return out, nil
}

// walk goes through what was found, newest first.
type walk struct {
	tx     *badger.Txn
	q      *Query
	f      *found
	epoch  uint32
	looked int
}

func (w *walk) grade(p *Page, grade int, below, chunks uint32) error {
	for c := chunks; c > 0; c-- {
		chunk := c - 1
		if w.f.all[chunk] == nil || chunk*chunkDocs >= below {
			continue
		}
		s := w.f.of(grade, chunk)
		if s == (set{}) {
			continue
		}
		in, out, err := w.within(chunk)
		if err != nil {
			return err
		}
		if out {
			continue
		}
		for bit := uint32(chunkDocs); bit > 0; bit-- {
			n := chunk*chunkDocs + bit - 1
			if n >= below || !s.has(bit-1) {
				continue
			}
			if len(p.IDs) == w.q.Limit || w.looked == maxLook {
				p.Next = binary.BigEndian.AppendUint32(append(binary.BigEndian.AppendUint32(nil, w.epoch), byte(grade)), n+1)
				return nil
			}
			w.looked++
			d, err := getDoc(w.tx, n, false)
			if err != nil {
				return err
			}
			if d != nil && (in || w.inTime(d.at)) {
				p.IDs = append(p.IDs, d.id)
			}
		}
	}
	return nil
}

func (w *walk) inTime(at int64) bool { return at >= w.q.From && (w.q.To == 0 || at < w.q.To) }

// within says whether all of a chunk lies in the time that is asked for, or all outside of it.
func (w *walk) within(chunk uint32) (in, out bool, err error) {
	if w.q.From == 0 && w.q.To == 0 {
		return true, false, nil
	}
	s, ok, err := times(w.tx, chunk)
	if err != nil || !ok {
		return false, false, err
	}
	return w.inTime(s[0]) && w.inTime(s[1]), s[1] < w.q.From || w.q.To != 0 && s[0] >= w.q.To, nil
}
