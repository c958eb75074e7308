// Package packed makes large rows of a store smaller: whatever a row costs by its bytes (log, memtable, tables, each
// of them written through memory), it costs by fewer.
package packed

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Mark is the first byte of a packed row; behind it stands the row as an S2 block (a Snappy block with longer copies;
// 0.5 µs a kilobyte each way). A store that packs has no other row that begins so.
const Mark = 0x53

// Least is where packing begins, in bytes: less has little in common with itself.
const Least = 2 << 10

// ErrDamaged says that a row is marked as packed and is not what Pack gave.
var ErrDamaged = errors.New("a packed row is damaged")

// Pack gives a row as it is to be stored: packed, in buf where that has room, or the row itself where packing
// saves less than an eighth (all of it sealed, or short). The same row may be packed otherwise by another
// version of the library or on another processor: no digest may run over what Pack gives.
func Pack(buf, row []byte) []byte {
	if len(row) < Least {
		return row
	}
	if most := 1 + s2.MaxEncodedLen(len(row)); cap(buf) < most {
		buf = make([]byte, most)
	}
	buf = buf[:cap(buf)]
	buf[0] = Mark
	n := 1 + len(s2.Encode(buf[1:], row))
	if n > len(row)-len(row)/8 {
		return row
	}
	return buf[:n]
}

// Unpack gives a row as it was before Pack: in memory of its own where it was packed, else v itself. One that
// says that it is larger than most bytes is ErrDamaged.
func Unpack(v []byte, most int) ([]byte, error) {
	if len(v) == 0 || v[0] != Mark {
		return v, nil
	}
	n, err := s2.DecodedLen(v[1:])
	if err != nil || n > most {
		return nil, fmt.Errorf("%w: a length of %d bytes, at most %d (%v)", ErrDamaged, n, most, err)
	}
	row, err := s2.Decode(make([]byte, n), v[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return row, nil
}

// Copy is Unpack into memory of its own, whether the row was packed or not: for one that a store only lends.
func Copy(v []byte, most int) ([]byte, error) {
	if len(v) > 0 && v[0] == Mark {
		return Unpack(v, most)
	}
	return bytes.Clone(v), nil
}
