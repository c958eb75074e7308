package fsm

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// seen says which ids certainly have no subject row, so that a new report costs no
// look-up of what is not there, in every table of the store. It is a Bloom filter in
// layers: when one is full, one of twice its size is added. What it says makes no
// difference to any row.
type seen struct {
	mu     sync.Mutex // guards all below
	ready  bool       // all committed ids are in it; until then it answers "maybe"
	layers []seenLayer

	stop chan struct{} // ends the filling
	done sync.WaitGroup
}

type seenLayer struct {
	bits []uint64
	n    int // ids that were added
}

const (
	// seenBits an id with 5 probes: one false "maybe" in 400, 1.5 bytes an id: 8 MB
	// at ten million entries.
	seenBits   = 12
	seenProbes = 5
	seenFirst  = 1 << 16 // ids in the first layer
)

func (s *seen) add(id record.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(id)
}

func (s *seen) addLocked(id record.ID) {
	last := len(s.layers) - 1
	if last < 0 || s.layers[last].n >= seenFirst<<last {
		last++
		s.layers = append(s.layers, seenLayer{bits: make([]uint64, seenFirst<<last*seenBits/64)})
	}
	l := &s.layers[last]
	l.n++
	a, b := seenHash(id)
	for range seenProbes {
		at := a % (uint64(len(l.bits)) * 64)
		l.bits[at/64] |= 1 << (at % 64)
		a += b
	}
}

// maybe is false when the id certainly has no row.
func (s *seen) maybe(id record.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		return true
	}
	h, b := seenHash(id)
	for i := range s.layers {
		l, a, all := &s.layers[i], h, true
		for range seenProbes {
			at := a % (uint64(len(l.bits)) * 64)
			all = all && l.bits[at/64]&(1<<(at%64)) != 0
			a += b
		}
		if all {
			return true
		}
	}
	return false
}

// seenHash mixes an id, which clients choose, with multiplications (the constants are
// the primes of xxHash64).
func seenHash(id record.ID) (a, b uint64) {
	x, y := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	x = (x ^ y>>29) * 0x9E3779B185EBCA87
	y = (y ^ x>>32) * 0xC2B2AE3D27D4EB4F
	x ^= y >> 31
	return x * 0x165667B19E3779F9, y | 1
}

// fill adds what is committed, in the background: at ten million entries it takes some seconds.
func (s *seen) fill(db *badger.DB, fail func(error)) {
	s.stop = make(chan struct{})
	s.done.Go(func() {
		err := db.View(func(tx *badger.Txn) error {
			n := 0
			return scan(tx, []byte{rowSubject}, nil, false, func(k, _ []byte) error {
				if n++; n%4096 == 0 {
					select {
					case <-s.stop:
						return errSeenStop
					default:
					}
				}
				if len(k) != 17 {
					return errRow
				}
				s.add(record.ID(k[1:]))
				return nil
			})
		})
		switch {
		case err == nil:
			s.mu.Lock()
			s.ready = true
			s.mu.Unlock()
		case err != errSeenStop:
			fail(err) // it goes on answering "maybe"
		}
	})
}

var errSeenStop = errors.New("fsm: the node ends")

// end waits until the filling has ended.
func (s *seen) end() {
	if s.stop == nil {
		return
	}
	close(s.stop)
	s.done.Wait()
	s.stop, s.ready, s.layers = nil, false, nil
}
