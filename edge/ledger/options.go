package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Limits of the ledger.
const (
	// maxBatchEntries and maxBatchBytes bound one transaction: the store takes 614 KiB in one
	// (15 % of memTable). Beyond them a sync is shared so widely that more gives nothing but latency.
	maxBatchEntries = 512
	maxBatchBytes   = 512 << 10
	// queueEntries and queueBytes bound what waits in each of the two queues:
	// about a tenth of a second of the fastest flood.
	queueEntries = 8192
	queueBytes   = 16 << 20
	// maxValue is the store's value threshold: a value of so many bytes would go to the value log. The
	// largest row is a block with one entry of record.MaxBody behind others, or the keys of 1,024 entries.
	maxValue = 512 << 10
	// maxExtra bounds what is stored beside a report's answer.
	maxExtra = 4 << 10
	// maxNote bounds a small row.
	maxNote = 64 << 10
	// quarantineRows and quarantineRaw bound malformed input kept raw; the
	// oldest gives way, and the count of all of them stays.
	quarantineRows = 1000
	quarantineRaw  = 128 << 10
	// memTable is the size of Badger's memtable. Its files are mapped and
	// sparse: writing into one on a full disk kills the process, so the floor
	// below covers all of them with the tables that they become. Badger keeps up to 26 buffers that
	// grow to the size of a memtable while a slow disk takes its tables, so it is small.
	memTable = 4 << 20
)

// Options of a ledger.
type Options struct {
	Dir    string
	Origin record.Origin
	Wall   func() time.Time
	Log    *slog.Logger
	// Reserve is the free space, in bytes, below which routine entries are
	// refused. Floor is where urgent ones are refused too: under it the store
	// itself could not go on.
	Reserve, Floor int64
	// Ballast is the size of a file that is given up on a full disk, so that
	// the store can be opened and urgent entries still go in.
	Ballast int64
	// FreeSpace tells the free bytes of a directory's file system; nil asks the system.
	FreeSpace func(dir string) (int64, error)
	// Observe, when set, is told after each sync how long the commit took and, for
	// each of its requests, how long it is since it was handed in. The committer
	// calls it: it must not block, nor keep the list.
	Observe func(commit time.Duration, waits []time.Duration)
	// Key encrypts the store's files, KeyBefore did; nil: in the clear (tables.Encrypted).
	Key, KeyBefore *[32]byte
	// Fresh gives wrapped keys as they are to be stored; nil: as they come.
	Fresh Freshener
}

// Default are the options for a small box.
func Default(dir string, origin record.Origin) Options {
	return Options{Dir: dir, Origin: origin, Wall: time.Now, Log: slog.Default(), Reserve: 128 << 20, Floor: 48 << 20, Ballast: 32 << 20}
}

// Validate checks the options and their relations.
func (o *Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("ledger: Dir is empty; name a directory on the station's disk")
	case o.Origin == "" || len(o.Origin) > record.MaxOrigin || o.Origin == record.CoreOrigin:
		return fmt.Errorf("ledger: Origin %q must be a station's, 1 to %d bytes", o.Origin, record.MaxOrigin)
	case o.Floor < 3*memTable:
		return fmt.Errorf("ledger: Floor %d must be at least %d, what the store needs to stay alive", o.Floor, 3*memTable)
	case o.Reserve < o.Floor:
		return fmt.Errorf("ledger: Reserve %d is below Floor %d; urgent entries need the room between them", o.Reserve, o.Floor)
	case o.Ballast < 0:
		return fmt.Errorf("ledger: Ballast %d is negative", o.Ballast)
	case o.Wall == nil || o.Log == nil:
		return errors.New("ledger: Wall and Log are needed")
	}
	return nil
}

// wide is what FitDisk sets on a disk of wideDisk bytes or more. There the store lets more tables
// gather before it merges them, which costs half the processor time an entry. A merge then needs
// up to 280 MiB beside the old tables (wideStall tables of level zero, the base level, one of the other
// compactor, three memtables and their logs), which wideFloor keeps free.
const (
	wideDisk    = 8 << 30
	wideReserve = 512 << 20
	wideFloor   = 320 << 20
	wideBallast = 128 << 20
	wideStall   = 24
)

// FitDisk sets the space that is kept free by the size of the disk that Dir is on or will be on.
func (o *Options) FitDisk() error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	var s unix.Statfs_t
	for err = unix.Statfs(dir, &s); errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir); err = unix.Statfs(dir, &s) {
		dir = filepath.Dir(dir)
	}
	if err != nil {
		return fmt.Errorf("ledger: size of the disk of %s: %w", o.Dir, err)
	}
	if int64(s.Blocks)*s.Bsize >= wideDisk {
		o.Reserve, o.Floor, o.Ballast = wideReserve, wideFloor, wideBallast
	}
	return nil
}

// badgerOptions are for a small box: memory means anonymous memory, so there are no caches (tables are mapped and
// not compressed), and the value log must stay empty because its sync errors are only logged. On a disk
// that is short of room at the start nothing is merged until the next start.
func (o *Options) badgerOptions(short bool) badger.Options {
	b := badger.DefaultOptions(filepath.Join(o.Dir, "ledger")).
		WithSyncWrites(!planted.Unsynced).
		WithMemTableSize(memTable).WithNumMemtables(2).
		WithNumLevelZeroTables(4).WithNumLevelZeroTablesStall(8).
		WithNumCompactors(2).
		WithBlockCacheSize(0).WithIndexCacheSize(0).
		WithValueLogFileSize(16 << 20).WithValueThreshold(maxValue).
		WithCompression(0).
		WithBaseTableSize(1 << 20).
		WithDetectConflicts(false).WithNumGoroutines(2).
		WithMetricsEnabled(false).WithLogger(nil)
	b.TableSizeMultiplier = 1
	if o.Floor >= wideFloor {
		b = b.WithNumLevelZeroTables(16).WithNumLevelZeroTablesStall(wideStall).WithBaseLevelSize(64 << 20)
	}
	if short {
		b = b.WithNumCompactors(0).WithNumLevelZeroTablesStall(math.MaxInt32)
	}
	return b
}

// Errors of the ledger.
var (
	// ErrBusy says that too much waits to be synced; send it again.
	ErrBusy = errors.New("ledger: too much is waiting for the disk; send it again in a moment")
	// ErrNoSpace says that the disk has no room for this lane.
	ErrNoSpace = errors.New("ledger: the station's disk is full; free some space or give it a larger one")
	// ErrOtherContent says that the id was used before for another content.
	ErrOtherContent = errors.New("ledger: the id stands for another content")
	// ErrClosed says that the ledger has ended; what was not answered is not kept.
	ErrClosed = errors.New("ledger: closed")
	// ErrFailed says that the disk failed a sync; nothing more is acknowledged.
	ErrFailed = errors.New("ledger: the disk failed; nothing more is accepted until the station is started again")
)
