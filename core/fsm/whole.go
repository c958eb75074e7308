package fsm

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// A flipped bit in a memtable's file makes Badger drop, without a word, what
// stands behind it in that file; a younger file with the applied mark is kept, and the
// state has a hole that looks applied. So each transaction leaves its number in a ring,
// node-local rows outside snapshot and digest, and Open wants the last ones without a gap.

// txnRing is how many numbers are kept: more than fit into the memtables that
// can be unflushed (32 MiB each, 400 bytes for the smallest transaction).
const txnRing = 1 << 18

var txnLast = []byte("!n")

func txnSlot(n uint64) []byte {
	return binary.BigEndian.AppendUint32([]byte("!t"), uint32(n%txnRing))
}

// whole gives the number of the last transaction, or an error that wraps
// ErrHole when one before it is missing.
func whole(tx *badger.Txn) (last uint64, err error) {
	v, err := get(tx, txnLast)
	if err != nil {
		return 0, err
	}
	last = beIndex(v)
	have, want := uint64(0), min(last, txnRing)
	err = scan(tx, []byte("!t"), nil, true, func(_, v []byte) error {
		if n := beIndex(v); n <= last && n+txnRing > last {
			have++
		}
		return nil
	})
	if err == nil && have != want {
		err = fmt.Errorf("%w: of the last %d transactions %d are missing", ErrHole, want, want-have)
	}
	return last, err
}
