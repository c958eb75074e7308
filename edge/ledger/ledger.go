// Package ledger is the station's durable store of entries, on Badger.
//
// It promises: what was answered as done is on the disk; an origin's chains
// are whole, and a tail that a damaged disk lost is named with its seqs; a
// report's id is recognised after any time; on a full disk urgent entries go
// on while routine ones are refused, and the store can be opened again.
//
// One goroutine writes (Run). It packs what waits into one transaction, syncs
// it, and then answers all of them: Badger shares no sync between transactions.
//
// It does not check what reports say (package intake), nor send anything
// (package uplink), nor interpret entries.
package ledger

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/tables"
)

// Ledger is the store. Its methods may be called from many goroutines.
type Ledger struct {
	o  Options
	db *badger.DB
	// emptyLog is the directory of the store's value log in memory, or empty.
	emptyLog string

	clock *record.Clock
	near  near
	gate  gate
	ids   filter
	found OpenReport

	position atomic.Uint64
	changed  atomic.Pointer[chan struct{}]
	counts   struct{ entries, repeats, refused, quarantined, batches atomic.Int64 }
	room     atomic.Int32
	free     atomic.Int64

	qmu    sync.Mutex // guards the queues
	urgent queue
	other  queue
	closed bool
	wake   chan struct{}

	quarantine quarantine
	// The committer's own, used again for each batch.
	waits []time.Duration // for Observe
	taken []*request
	done  []answer
	spare [][]byte // buffers of blocks
	usual int      // bytes of a block, as the last one was

	smu      sync.RWMutex // guards what the committer shares with readers
	chains   map[chainName]*chainRow
	receipts map[chainName]record.Receipt
	inc      record.Incarnation // of this process; 0 until the first append
	order    uint64
	failed   error

	moves  []move                    // that a crash left unfinished; Run finishes them first
	atOpen map[chainName]record.Head // what Open found; not changed after

	bg   sync.WaitGroup
	stop chan struct{}
}

type chainName struct {
	inc  record.Incarnation
	lane record.LaneID
}

// OpenReport says what Open found.
type OpenReport struct {
	// Cuts are tails that the disk lost although they were synced.
	Cuts []Cut
	// Ballast says that the ballast file was given up to open on a full disk.
	Ballast bool
}

// Cut is a lost tail: entries Have+1 to Had of a chain.
type Cut struct {
	Chain     record.ChainID
	Have, Had record.Seq
}

// Open opens the ledger in o.Dir. On a disk too full to be opened safely it
// gives up the ballast first: opening writes, and a write into a mapped file
// on a full disk ends the process.
func Open(o Options) (*Ledger, error) {
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := &Ledger{o: o, wake: make(chan struct{}, 1), chains: map[chainName]*chainRow{}, receipts: map[chainName]record.Receipt{}, stop: make(chan struct{})}
	l.gate = gate{o: &l.o}
	ch := make(chan struct{})
	l.changed.Store(&ch)
	free, err := o.FreeSpace(o.Dir)
	if err != nil {
		return nil, err
	}
	if free < o.Floor {
		l.found.Ballast = dropBallast(o.Dir)
		o.Log.Error("disk is full at the start: free some space", "dir", o.Dir, "free_bytes", free, "ballast_given_up", l.found.Ballast)
		if free, err = o.FreeSpace(o.Dir); err != nil {
			return nil, err
		}
		if free < 2*memTable {
			return nil, fmt.Errorf("%w: %d bytes free in %s, opening needs %d", ErrNoSpace, free, o.Dir, 2*memTable)
		}
	}
	short := free < o.Floor
	if short {
		o.Log.Error("the store opens without merging its tables: free some space, then start the station again", "dir", o.Dir, "free_bytes", free, "needs_bytes", o.Floor)
	}
	options := o.badgerOptions(short)
	if l.emptyLog = emptyLog(); l.emptyLog != "" {
		options = options.WithValueDir(l.emptyLog)
	}
	if options, err = tables.Encrypted(options, o.Key, o.KeyBefore); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %w", err), dropEmptyLog(l.emptyLog))
	}
	if l.db, err = badger.Open(options); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: opening %s: %w", o.Dir, err), dropEmptyLog(l.emptyLog))
	}
	if err = l.load(); err == nil {
		err = l.proveTail()
	}
	if err != nil {
		return nil, errors.Join(err, l.closeStore())
	}
	l.atOpen = make(map[chainName]record.Head, len(l.chains))
	for name, c := range l.chains {
		l.atOpen[name] = record.Head{Incarnation: name.inc, Lane: name.lane, Seq: c.Seq, Hash: c.Hash}
	}
	if err := l.gate.look(o.Wall()); err != nil {
		return nil, errors.Join(err, l.closeStore())
	}
	l.seeRoom()
	return l, nil
}

// load reads heads, receipts and counters; none of it grows with the number of
// entries.
func (l *Ledger) load() error {
	last := record.HLC(0)
	return l.db.View(func(tx *badger.Txn) error {
		err := scan(tx, []byte{rowChain}, nil, func(k, v []byte) error {
			c, err := decodeChainRow(k, v)
			if err != nil {
				return fmt.Errorf("chain row %x: %w", k, err)
			}
			l.chains[chainName{c.Inc, c.Lane}] = &c
			l.order = max(l.order, c.Order)
			last = max(last, c.HLC)
			return nil
		})
		if err != nil {
			return err
		}
		err = scan(tx, []byte{rowMove}, nil, func(k, v []byte) error {
			m, err := decodeMove(k, v)
			l.moves = append(l.moves, m)
			return err
		})
		if err != nil {
			return err
		}
		err = scan(tx, []byte{rowReceipt}, nil, func(_, v []byte) error {
			r, err := record.DecodeReceipt(v)
			if err != nil {
				return err
			}
			l.receipts[chainName{r.Chain.Incarnation, r.Chain.Lane}] = r
			return nil
		})
		if err != nil {
			return err
		}
		if first := l.blockOf(tx, math.MaxUint64); first > 0 {
			_, err := l.eachHeld(tx, first, func(_ []byte, at place) error {
				l.position.Store(at.pos)
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := l.loadQuarantine(tx); err != nil {
			return err
		}
		l.clock = record.NewClock(last, l.o.Wall)
		return nil
	})
}

// scan calls f for every row with the prefix, from a key on; k and v are valid
// only during the call. A nil v is read only when it is there.
func scan(tx *badger.Txn, prefix, from []byte, f func(k, v []byte) error) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix = prefix
	opt.PrefetchSize = 64
	it := tx.NewIterator(opt)
	defer it.Close()
	if from == nil {
		from = prefix
	}
	for it.Seek(from); it.Valid(); it.Next() {
		item := it.Item()
		if err := item.Value(func(v []byte) error { return f(item.Key(), v) }); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

// errStop ends a scan early.
var errStop = errors.New("stop")

// Close frees the files. Call it after Run has returned. After a failed sync it
// leaves them to the end of the process.
func (l *Ledger) Close() error {
	l.qmu.Lock()
	l.closed = true
	l.qmu.Unlock()
	close(l.stop)
	l.bg.Wait()
	l.smu.RLock()
	failed := l.failed != nil
	l.smu.RUnlock()
	if failed {
		// Closing writes: what waits in memory into tables, and tables into others, and
		// Badger (v4.9.6, subcompact) forgets the old ones although a new one could not be
		// written. The files are left as a power cut leaves them, and the process ends.
		return dropEmptyLog(l.emptyLog)
	}
	err := l.writeHeads()
	return errors.Join(err, l.closeStore())
}

func (l *Ledger) closeStore() error { return errors.Join(l.db.Close(), dropEmptyLog(l.emptyLog)) }

// Found is what Open found.
func (l *Ledger) Found() OpenReport { return l.found }

// Clock stamps entries; its readings are persisted with them.
func (l *Ledger) Clock() *record.Clock { return l.clock }

// DB is the store itself, for views derived from the ledger: rows that begin
// with 'v' are theirs.
func (l *Ledger) DB() *badger.DB { return l.db }

// Position is that of the last committed entry.
func (l *Ledger) Position() uint64 { return l.position.Load() }

// Changed is closed after the next commit.
func (l *Ledger) Changed() <-chan struct{} { return *l.changed.Load() }

func (l *Ledger) notify() {
	ch := make(chan struct{})
	close(*l.changed.Swap(&ch))
}

// seeRoom shows readers what the gate saw.
func (l *Ledger) seeRoom() {
	l.room.Store(int32(l.gate.state))
	l.free.Store(l.gate.free)
}

// Roomy says whether the ledger takes entries of every lane: the disk has room
// and less than half of a queue waits.
func (l *Ledger) Roomy() bool {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	return spaceState(l.room.Load()) == roomForAll && !l.closed && l.other.len() < queueEntries/2 && l.urgent.len() < queueEntries/2
}

// Stats are figures of this moment, and counters since the start.
type Stats struct {
	Entries, Repeats, Refused, Quarantined, Batches int64
	Queued                                          int   // requests that wait for the committer
	Free                                            int64 // bytes, at the last look
	Position                                        uint64
	Incarnation                                     record.Incarnation
	Room                                            string
	Failed                                          error
}

// Stats gives the figures.
func (l *Ledger) Stats() Stats {
	l.qmu.Lock()
	queued := l.urgent.len() + l.other.len()
	l.qmu.Unlock()
	l.smu.RLock()
	defer l.smu.RUnlock()
	return Stats{Queued: queued, Free: l.free.Load(), Entries: l.counts.entries.Load(), Repeats: l.counts.repeats.Load(), Refused: l.counts.refused.Load(),
		Quarantined: l.counts.quarantined.Load(), Batches: l.counts.batches.Load(), Position: l.position.Load(),
		Incarnation: l.inc, Room: spaceState(l.room.Load()).String(), Failed: l.failed}
}
