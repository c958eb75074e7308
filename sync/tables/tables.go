// Package tables proves that a Badger store's tables still hold what was written.
//
// Badger (v4.9.6) proves a table's index when it opens it, and of its blocks
// nothing: a bit that flips on the disk is a value that nobody wrote. Told to prove
// blocks as they are read (WithChecksumVerificationMode), it takes a damaged one for
// the end of its table, and what stands there for not found. So all blocks are read
// once after the store was opened, beside its work, and whoever owns it stops serving
// from it when one is damaged.
//
// It does not prove what stands in memtables yet: their records have sums that
// Badger looks at, and it drops what follows a damaged one; that their tail is there is for
// the owner to prove.
package tables

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// ErrDamaged says that a table does not hold what was written.
var ErrDamaged = errors.New("a table of the store does not hold what was written")

// Proof reads a store once. The store must stay open until it has ended.
type Proof struct {
	done chan struct{} // closed when err is set
	err  error
}

// Begin starts to read. It ends by itself: Wait for it before the store is closed.
func Begin(db *badger.DB) *Proof {
	p := &Proof{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = read(db)
	}()
	return p
}

// read proves every block. What a damaged block says of itself leads Badger
// beyond it, and a sector that cannot be read is a fault of the mapped page: both
// panic here, and here alone.
func read(db *badger.DB) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, x)
		}
	}()
	if err := db.VerifyChecksum(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Done is closed when the proof has ended.
func (p *Proof) Done() <-chan struct{} { return p.done }

// Wait is what was found, after the end.
func (p *Proof) Wait() error {
	<-p.done
	return p.err
}

// Within waits for the end at most so long; nil as well when it is not there yet.
func (p *Proof) Within(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return p.err
	case <-t.C:
		return nil
	}
}
