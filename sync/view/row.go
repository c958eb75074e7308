package view

import (
	"encoding/binary"
	"errors"

	"wardline/sync/record"
)

// rowVersion is the form of the rows of a store; a store of another form is built again.
const rowVersion = 7

var errRow = errors.New("view: damaged row")

// append writes the row without its id, which stands in the key.
func (r *Row) append(b []byte) []byte {
	flags := byte(0)
	for i, f := range [...]bool{r.Open, r.Stub, r.Silent, r.Cancelled, r.Suggested, r.Place != (record.Place{}), r.bundle != (tail{}), !r.Exercise.Zero()} {
		if f {
			flags |= 1 << i
		}
	}
	b = append(b, rowVersion, flags, byte(r.Priority), byte(r.begun))
	if r.bundle != (tail{}) {
		b = append(b, r.bundle[:]...)
	}
	num := func(n uint64) { b = binary.AppendUvarint(b, n) }
	str := func(s string) {
		num(uint64(len(s)))
		b = append(b, s...)
	}
	num(uint64(max(r.ReceivedAt, 0)))
	num(r.Position)
	num(uint64(max(r.ParkedUntil, 0)))
	num(uint64(r.Conflicts))
	for _, at := range r.reached() {
		num(uint64(max(at, 0)))
	}
	str(r.Status)
	str(string(r.Category))
	str(string(r.Lead))
	str(r.Verdict)
	str(r.Device)
	if r.Place != (record.Place{}) {
		b = binary.AppendVarint(b, int64(r.Place.LatE7))
		b = binary.AppendVarint(b, int64(r.Place.LonE7))
		num(uint64(r.Place.AccuracyCM))
		num(uint64(max(r.Place.FixedAt, 0)))
	}
	if !r.Exercise.Zero() {
		b = append(b, r.Exercise[:]...)
	}
	num(uint64(len(r.Deadlines)))
	for _, d := range r.Deadlines {
		str(d.Step)
		num(uint64(max(d.At, 0)))
	}
	num(uint64(len(r.Merged)))
	for _, id := range r.Merged {
		b = append(b, id[:]...)
	}
	for _, u := range r.Told {
		str(string(u.Unit))
		str(u.Holder)
		b = append(b, byte(u.Progress))
	}
	return b
}

// reader takes a row apart; after the first fault it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (x *reader) num() uint64 {
	n, w := binary.Uvarint(x.b)
	if w <= 0 {
		x.bad = true
		return 0
	}
	x.b = x.b[w:]
	return n
}

func (x *reader) signed() int64 {
	n, w := binary.Varint(x.b)
	if w <= 0 {
		x.bad = true
		return 0
	}
	x.b = x.b[w:]
	return n
}

func (x *reader) take(n uint64) []byte {
	if x.bad || n > uint64(len(x.b)) {
		x.bad = true
		return nil
	}
	out := x.b[:n]
	x.b = x.b[n:]
	return out
}

func (x *reader) str() string { return string(x.take(x.num())) }

func (r *Row) decode(b []byte) error {
	if len(b) < 4 || b[0] != rowVersion {
		return errRow
	}
	f := b[1]
	r.Open, r.Stub, r.Silent, r.Cancelled, r.Suggested = f&1 != 0, f&2 != 0, f&4 != 0, f&8 != 0, f&16 != 0
	r.Priority, r.begun = record.Priority(b[2]), begun(b[3])
	x := &reader{b: b[4:]}
	if f&64 != 0 {
		copy(r.bundle[:], x.take(uint64(len(r.bundle))))
	}
	r.ReceivedAt = int64(x.num())
	r.Position = x.num()
	r.ParkedUntil = int64(x.num())
	r.Conflicts = int(x.num())
	r.Reached = record.Reached{Claim: int64(x.num()), Verify: int64(x.num()), Dispatch: int64(x.num()), Resolve: int64(x.num())}
	r.Status = x.str()
	r.Category = record.Category(x.str())
	r.Lead = record.UnitID(x.str())
	r.Verdict = x.str()
	r.Device = x.str()
	if f&32 != 0 {
		r.Place = record.Place{LatE7: int32(x.signed()), LonE7: int32(x.signed()), AccuracyCM: uint32(x.num()), FixedAt: int64(x.num())}
	}
	if f&128 != 0 {
		copy(r.Exercise[:], x.take(uint64(len(r.Exercise))))
	}
	for n := x.num(); n > 0 && !x.bad; n-- {
		r.Deadlines = append(r.Deadlines, record.Deadline{Step: x.str(), At: int64(x.num())})
	}
	for n := x.num(); n > 0 && !x.bad; n-- {
		var id record.ID
		copy(id[:], x.take(uint64(len(id))))
		r.Merged = append(r.Merged, id)
	}
	for len(x.b) > 0 && !x.bad {
		u := Told{Unit: record.UnitID(x.str()), Holder: x.str()}
		if p := x.take(1); p != nil {
			u.Progress = record.Progress(p[0])
		}
		r.Told = append(r.Told, u)
	}
	if x.bad {
		return errRow
	}
	return nil
}

// receivedAt reads that alone of a row in a bundle.
func receivedAt(b []byte) (int64, error) {
	if len(b) < 4 || b[0] != rowVersion || b[1]&64 != 0 {
		return 0, errRow
	}
	n, w := binary.Uvarint(b[4:])
	if w <= 0 {
		return 0, errRow
	}
	return int64(n), nil
}
