package view

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// TallySteps are the steps whose times are told, in the order of Line.Steps.
var TallySteps = [...]string{"claim", "verify", "dispatch", "resolve"}

// maxTally bounds the incidents that one answer counts; of a longer time the latest are
// counted, and it is said. A million a year is 80,000 a month.
const maxTally = 200_000

// Span says which incidents are counted. Zero values ask for everything.
type Span struct {
	// From and To bound when they were received, milliseconds since the Unix epoch, UTC; To is exclusive.
	From, To int64
	// Unit was told of them or leads; Lead leads.
	Unit, Lead record.UnitID
	Category   record.Category
	// Zone says which hour of the day it was.
	Zone *time.Location
	// Now decides what is late that is not done, milliseconds since the Unix epoch, UTC.
	Now int64
}

// StepTally is how a step went. Times are seconds since the report was received.
type StepTally struct {
	// Done counts incidents where it was done, Due those that have a deadline for it, Late those of
	// them where it was done too late or is not done and should be.
	Done, Due, Late int
	// Median and P90 are of those where it was done: half, and nine in ten, took no longer.
	Median, P90 int
}

// TallyLine counts the incidents of one key.
type TallyLine struct {
	Key   string
	Count int
	Open  int
	// Verdicts have a verdict; False are those where it is false.
	Verdicts, False int
	Steps           [len(TallySteps)]StepTally
}

// Tally is what was counted.
type Tally struct {
	Total               TallyLine
	Wards, Kinds, Hours []TallyLine // by unit that leads, by category, by hour of the day
	Cut                 bool        // more than maxTally: the earlier ones are left out
	Earliest, Latest    int64       // of what was counted
}

// brief is what counting needs of a row; it stands as the value of the row's place in its
// list, so that a month is one pass over keys that lie together. Where a bundle gives the
// place, it is made of the row.
func (r *Row) brief() []byte {
	b := []byte{verdictByte(r.Verdict), 0}
	if !r.Exercise.Zero() {
		b[0] = practiceByte
	}
	if i := slices.Index(record.Categories, r.Category); i >= 0 {
		b[1] = byte(i + 1)
	}
	after := func(at int64) { // seconds after it was received, from 1 on; 0: none
		if at <= 0 {
			b = append(b, 0)
			return
		}
		b = binary.AppendUvarint(b, uint64(max(0, at-r.ReceivedAt)/1000)+1)
	}
	for i, at := range r.reached() {
		after(at)
		due := int64(0)
		for _, d := range r.Deadlines {
			if d.Step == TallySteps[i] {
				due = d.At
			}
		}
		after(due)
	}
	return append(b, r.Lead...)
}

func (r *Row) reached() [len(TallySteps)]int64 {
	return [...]int64{r.Reached.Claim, r.Reached.Verify, r.Reached.Dispatch, r.Reached.Resolve}
}

// practiceByte stands in the place of a verdict of what is part of an exercise: it is not counted.
const practiceByte = 3

// Verdicts as one byte: 0 none, 1 false, 2 another.
func verdictByte(v string) byte {
	head, _, _ := strings.Cut(v, ":")
	switch head {
	case "false":
		return 1
	case "true", "doubtful", "duplicate":
		return 2
	}
	return 0
}

// counted is a row's brief, read.
type counted struct {
	verdict   byte
	category  record.Category
	lead      record.UnitID
	done, due [len(TallySteps)]uint64 // seconds after it was received, from 1 on; 0: none
}

var errBrief = errors.New("view: damaged brief")

func (c *counted) decode(b []byte) error {
	if len(b) < 2 || int(b[1]) > len(record.Categories) {
		return errBrief
	}
	c.verdict, c.category = b[0], ""
	if b[1] > 0 {
		c.category = record.Categories[b[1]-1]
	}
	x := &reader{b: b[2:]}
	for i := range TallySteps {
		c.done[i], c.due[i] = x.num(), x.num()
	}
	if x.bad {
		return errBrief
	}
	c.lead = record.UnitID(x.b)
	return nil
}

// line is a TallyLine that is being counted, with the times of its steps.
type line struct {
	TallyLine
	took [len(TallySteps)][]uint32
}

func (l *line) add(c *counted, open bool, age uint64) {
	l.Count++
	if open {
		l.Open++
	}
	if c.verdict != 0 {
		l.Verdicts++
	}
	if c.verdict == 1 {
		l.False++
	}
	for i := range TallySteps {
		s := &l.Steps[i]
		done, due := c.done[i], c.due[i]
		if done > 0 {
			s.Done++
			l.took[i] = append(l.took[i], uint32(min(done-1, math.MaxUint32)))
		}
		if due > 0 {
			s.Due++
			if done > due || done == 0 && open && age >= due {
				s.Late++
			}
		}
	}
}

// end works out the times.
func (l *line) end() TallyLine {
	for i, t := range l.took {
		if n := len(t); n > 0 {
			slices.Sort(t)
			l.Steps[i].Median, l.Steps[i].P90 = int(t[(n-1)/2]), int(t[(n*9+9)/10-1]) // nearest rank
		}
	}
	return l.TallyLine
}

// Tally counts incidents out of the lists, without reading their entries.
func (v *View) Tally(s Span) (t Tally, err error) {
	var total line
	groups := [3]map[string]*line{{}, {}, {}}
	in := func(g int, key string) *line {
		l := groups[g][key]
		if l == nil {
			l = &line{TallyLine: TallyLine{Key: key}}
			groups[g][key] = l
		}
		return l
	}
	left := maxTally
	err = v.db.View(func(tx *badger.Txn) error {
		return v.each(tx, s, func(at int64, id record.ID, open bool, c *counted) (bool, error) {
			if c.verdict == practiceByte {
				return true, nil
			}
			if s.Lead != "" && c.lead != s.Lead || s.Category != "" && c.category != s.Category {
				return true, nil
			}
			if s.Unit != "" && c.lead != s.Unit {
				r, err := getRow(tx, id)
				if err != nil || r == nil {
					return true, err
				}
				if _, told := r.told(s.Unit); !told {
					return true, nil
				}
			}
			if left--; left < 0 {
				t.Cut = true
				return false, nil
			}
			if t.Latest == 0 {
				t.Latest = at
			}
			t.Earliest = at
			age := uint64(max(0, s.Now-at)/1000) + 1
			total.add(c, open, age)
			in(0, string(c.lead)).add(c, open, age)
			in(1, string(c.category)).add(c, open, age)
			in(2, time.UnixMilli(at).In(s.Zone).Format("15")).add(c, open, age)
			return true, nil
		})
	})
	if err != nil {
		return t, err
	}
	t.Total = total.end()
	for g, into := range []*[]TallyLine{&t.Wards, &t.Kinds, &t.Hours} {
		for _, l := range groups[g] {
			*into = append(*into, l.end())
		}
		slices.SortFunc(*into, func(a, b TallyLine) int {
			if g < 2 && a.Count != b.Count {
				return b.Count - a.Count
			}
			return strings.Compare(a.Key, b.Key)
		})
	}
	return t, nil
}

// each goes through the lists from the latest to the earliest, until do says false.
func (v *View) each(tx *badger.Txn, s Span, do func(at int64, id record.ID, open bool, c *counted) (bool, error)) error {
	to := math.MaxInt64 - bundleSpan.Milliseconds()
	if s.To > 0 {
		to = min(to, s.To-1)
	}
	from := make([]byte, keySize) // before the first of them: no incident has the zero id
	binary.BigEndian.PutUint64(from[copy(from, openKey):], ^uint64(to))
	bundles := bundlePlaces(tx, from)
	defer bundles.it.Close()
	var its [2]*badger.Iterator
	for i, l := range [][]byte{openKey, closeKey} {
		opt := badger.DefaultIteratorOptions
		opt.Prefix = l
		its[i] = tx.NewIterator(opt)
		defer its[i].Close()
		its[i].Seek(append(slices.Clone(l), from[len(l):]...))
	}
	for {
		b, err := bundles.peek()
		if err != nil {
			return err
		}
		var key []byte // of all lists the latest
		var own *badger.Iterator
		if b != nil {
			key = b.key
		}
		for _, it := range its {
			if it.Valid() && len(it.Item().Key()) != keySize {
				return errRow
			}
			if it.Valid() && (key == nil || string(it.Item().Key()[2:]) < string(key[2:])) {
				key, own = it.Item().Key(), it
			}
		}
		if key == nil {
			return nil
		}
		at, id := int64(^binary.BigEndian.Uint64(key[2:10])), record.ID(key[10:])
		if at < s.From {
			return nil
		}
		var c counted
		if own != nil {
			err = own.Item().Value(c.decode)
		} else {
			var r *Row
			if r, err = b.row(tx); r == nil && err == nil { // it has a place of its own
				bundles.pop()
				continue
			}
			if err == nil {
				err = c.decode(r.brief())
			}
		}
		if err != nil {
			return err
		}
		if on, err := do(at, id, own != its[1], &c); err != nil || !on {
			return err
		}
		if own != nil {
			own.Next()
		} else {
			bundles.pop()
		}
	}
}

// getRow is the row of an incident as it is now; nil when there is none.
func getRow(tx *badger.Txn, id record.ID) (*Row, error) {
	return (&step{tx: writes{Txn: tx}, open: map[tail][]byte{}}).find(id)
}
