// Package powercut is a disk that forgets what was not flushed. A small server
// gives it to a virtual machine over the network block device protocol; at the cut
// a random part of what was written and not flushed is kept, by a seed, and the rest was
// never there. A disk with a write cache may do the same: a promise that stands
// on less than a flush does not hold.
//
// It promises: what was written before a flush that was answered, or written with
// FUA, is on the disk for ever. Anything else may be there wholly, in
// part (by sectors) or not at all, in any combination.
package powercut

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
)

const (
	// sector is what a disk writes wholly or not at all, in bytes.
	sector = 512
	// maxPending bounds what waits for a flush, in bytes: the cache of a common
	// disk. Beyond it the oldest is written back, as such a disk does.
	maxPending = 64 << 20
)

// Disk is a block device with a write cache. Its methods may be called from
// several goroutines.
type Disk struct {
	mu      sync.Mutex // guards all below
	file    *os.File   // what is sure
	size    int64
	pending []write // not flushed, in order
	held    int     // bytes in pending
	// newest is, for each sector with pending writes, the last of them.
	newest map[int64][]byte
	// fuse counts writes down to the one with which the power goes; 0: not lit.
	fuse int
	dead bool
}

// write is one write that waits for a flush; off and data are whole sectors.
type write struct {
	off  int64
	data []byte
}

// Open makes a disk of the file at path; its size must be whole sectors.
func Open(path string) (*Disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && (st.Size() == 0 || st.Size()%sector != 0) {
		err = fmt.Errorf("%s has %d bytes; a disk is a number of whole sectors of %d", path, st.Size(), sector)
	}
	if err != nil {
		_ = f.Close() // the error above is the one to tell
		return nil, err
	}
	return &Disk{file: f, size: st.Size(), newest: map[int64][]byte{}}, nil
}

// Close gives up the file; what waits for a flush is lost.
func (d *Disk) Close() error { return d.file.Close() }

// Light lets the power go with the n-th write that is not forced from now on: it is in the
// cache, and from then on nothing is answered. A cut at a moment of its own seldom meets a
// machine between a write and its flush.
func (d *Disk) Light(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fuse = n
}

// Dead says whether the power has gone.
func (d *Disk) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// errDead is a request after the power has gone.
var errDead = errors.New("the disk has no power")

// Size is in bytes.
func (d *Disk) Size() int64 { return d.size }

// inside says whether a request is for sectors that are there.
func (d *Disk) inside(off int64, n int) bool {
	return off >= 0 && off%sector == 0 && n%sector == 0 && int64(n) <= d.size && off <= d.size-int64(n)
}

// errOutside is a request that is not for whole sectors within the disk.
var errOutside = fmt.Errorf("not whole sectors of %d bytes within the disk", sector)

// ReadAt gives what was written last, flushed or not.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if !d.inside(off, len(p)) {
		return 0, errOutside
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return 0, errDead
	}
	if _, err := d.file.ReadAt(p, off); err != nil && err != io.EOF {
		return 0, err
	}
	if len(d.newest) > 0 {
		for i := 0; i < len(p); i += sector {
			if s, ok := d.newest[off+int64(i)]; ok {
				copy(p[i:], s)
			}
		}
	}
	return len(p), nil
}

// WriteAt takes data into the cache; with fua it is sure on return.
func (d *Disk) WriteAt(p []byte, off int64, fua bool) error {
	if !d.inside(off, len(p)) {
		return errOutside
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	if fua {
		// What waits for the same sectors is older: it must not come after.
		for i := 0; i < len(p); i += sector {
			d.forgetLocked(off + int64(i))
		}
		_, err := d.file.WriteAt(p, off)
		return err
	}
	w := write{off, append([]byte(nil), p...)}
	d.pending = append(d.pending, w)
	d.held += len(w.data)
	for i := 0; i < len(p); i += sector {
		d.newest[off+int64(i)] = w.data[i : i+sector]
	}
	if d.fuse > 0 {
		if d.fuse--; d.fuse == 0 {
			d.dead = true
			return errDead
		}
	}
	for d.held > maxPending {
		if err := d.backLocked(d.pending[0]); err != nil {
			return err
		}
		d.held -= len(d.pending[0].data)
		d.pending = d.pending[1:]
	}
	return nil
}

// backLocked writes one pending write to the file, sector for sector where it is still the newest.
func (d *Disk) backLocked(w write) error {
	if _, err := d.file.WriteAt(w.data, w.off); err != nil {
		return err
	}
	for i := 0; i < len(w.data); i += sector {
		at := w.off + int64(i)
		if s, ok := d.newest[at]; ok && &s[0] == &w.data[i] {
			delete(d.newest, at)
		}
	}
	return nil
}

// forgetLocked takes one sector out of every pending write, which splits them.
func (d *Disk) forgetLocked(at int64) {
	if _, ok := d.newest[at]; !ok {
		return
	}
	delete(d.newest, at)
	var out []write
	for _, w := range d.pending {
		if at < w.off || at >= w.off+int64(len(w.data)) {
			out = append(out, w)
			continue
		}
		i := at - w.off
		if i > 0 {
			out = append(out, write{w.off, w.data[:i]})
		}
		if rest := w.data[i+sector:]; len(rest) > 0 {
			out = append(out, write{at + sector, rest})
		}
		d.held -= sector
	}
	d.pending = out
}

// Flush makes sure all that was written before.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return errDead
	}
	for _, w := range d.pending {
		if _, err := d.file.WriteAt(w.data, w.off); err != nil {
			return err
		}
	}
	d.pending, d.held = nil, 0
	clear(d.newest)
	return nil
}

// Cut is the end of the power: of what was not flushed a random part is kept, drawn
// from r. It says how many writes were waiting and how many of them were kept, in part or wholly.
// What is written afterwards is written to a disk that has power again: the machine must be dead before.
func (d *Disk) Cut(r *rand.Rand) (waiting, kept int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting = len(d.pending)
	chance := r.IntN(5) * 25 // of a hundred writes: none, some, all
	for _, w := range d.pending {
		torn := r.IntN(8) == 0
		if !torn && r.IntN(100) >= chance {
			continue
		}
		some := false
		for i := 0; i < len(w.data); i += sector {
			if torn && r.IntN(2) == 0 {
				continue
			}
			some = true
			if _, err := d.file.WriteAt(w.data[i:i+sector], w.off+int64(i)); err != nil {
				return waiting, kept, err
			}
		}
		if some {
			kept++
		}
	}
	d.pending, d.held = nil, 0
	clear(d.newest)
	d.fuse, d.dead = 0, false
	return waiting, kept, nil
}
