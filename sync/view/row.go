package view

import (
	"encoding/binary"
	"errors"

	"wardline/sync/record"
)

const rowVersion = 1

var errRow = errors.New("view: damaged row")

// encode writes the row without its id, which stands in the key.
func (r *Row) encode() []byte {
	b := []byte{rowVersion, 0, byte(r.Priority)}
	for i, f := range []bool{r.Open, r.Stub, r.Silent} {
		if f {
			b[1] |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, r.Position)
	b = binary.AppendUvarint(b, uint64(max(r.ReceivedAt, 0)))
	b = binary.AppendUvarint(b, uint64(r.Conflicts))
	str := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	str(r.Status)
	str(string(r.Category))
	str(string(r.Lead))
	for _, u := range r.Told {
		str(string(u))
	}
	return b
}

func (r *Row) decode(b []byte) error {
	if len(b) < 3 || b[0] != rowVersion {
		return errRow
	}
	r.Open, r.Stub, r.Silent = b[1]&1 != 0, b[1]&2 != 0, b[1]&4 != 0
	r.Priority = record.Priority(b[2])
	b = b[3:]
	bad := false
	num := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			bad = true
			return 0
		}
		b = b[w:]
		return n
	}
	str := func() string {
		n := num()
		if bad || n > uint64(len(b)) {
			bad = true
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	r.Position = num()
	r.ReceivedAt = int64(num())
	r.Conflicts = int(num())
	r.Status = str()
	r.Category = record.Category(str())
	r.Lead = record.UnitID(str())
	for len(b) > 0 && !bad {
		r.Told = append(r.Told, record.UnitID(str()))
	}
	if bad {
		return errRow
	}
	return nil
}
