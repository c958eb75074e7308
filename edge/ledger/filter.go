package ledger

import (
	"encoding/binary"
	"sync"

	"wardline/sync/record"
)

// filter says which ids were certainly never seen, so that a new report costs
// no look-up on disk. It is a Bloom filter in layers: when one is full a
// larger one is added. It is filled from disk after the start, in the
// background; until then it answers "maybe".
type filter struct {
	mu     sync.Mutex // guards all below
	ready  bool
	layers []layer
}

type layer struct {
	bits []uint64
	n    int
	room int
}

const (
	// filterBits per id with 7 probes: about 1 false maybe in 2,000.
	filterBits   = 16
	filterProbes = 7
	firstLayer   = 1 << 16
)

func (f *filter) add(ids ...record.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.addLocked(id)
	}
}

func (f *filter) addLocked(id record.ID) {
	if len(f.layers) == 0 || f.layers[len(f.layers)-1].n >= f.layers[len(f.layers)-1].room {
		room := firstLayer
		if len(f.layers) > 0 {
			room = 2 * f.layers[len(f.layers)-1].room
		}
		f.layers = append(f.layers, layer{bits: make([]uint64, room*filterBits/64), room: room})
	}
	l := &f.layers[len(f.layers)-1]
	l.n++
	l.each(id, func(w *uint64, bit uint64) bool { *w |= bit; return true })
}

// each calls do for the id's bits. Ids are made by clients, so both halves are
// mixed (with the finaliser of splitmix64) before they choose bits.
func (l *layer) each(id record.ID, do func(w *uint64, bit uint64) bool) bool {
	a := mix(binary.BigEndian.Uint64(id[:8]))
	b := mix(binary.BigEndian.Uint64(id[8:])^a) | 1
	n := uint64(len(l.bits)) * 64
	for range filterProbes {
		at := a % n
		if !do(&l.bits[at/64], 1<<(at%64)) {
			return false
		}
		a += b
	}
	return true
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// maybe is false when the id was certainly never added.
func (f *filter) maybe(id record.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return true
	}
	for i := range f.layers {
		if f.layers[i].each(id, func(w *uint64, bit uint64) bool { return *w&bit != 0 }) {
			return true
		}
	}
	return false
}

func (f *filter) setReady() {
	f.mu.Lock()
	f.ready = true
	f.mu.Unlock()
}
