package search

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"wardline/sync/record"
	"wardline/sync/tables"
)

// form is the form of the rows; a store of another form is thrown away.
const form = 1

// files are the store's options. Writes are not synced: after a power cut the index goes
// on a little earlier in the log. Caches are small, because the index is beside the work.
func files(dir string, key []byte) badger.Options {
	return badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(false).WithDetectConflicts(false).WithMetricsEnabled(false).
		WithMemTableSize(8 << 20).WithNumMemtables(2).WithNumCompactors(2).WithValueLogFileSize(1 << 20).
		WithCompression(options.Snappy).WithBlockCacheSize(8 << 20).WithIndexCacheSize(4 << 20).
		WithEncryptionKey(key)
}

// open opens the store; one that cannot be read, or not with this key, is thrown away.
func (x *Index) open(key [32]byte) (*tables.Proof, error) {
	db, m, err := x.openOnce(key)
	if _, system := errors.AsType[syscall.Errno](err); err != nil && !system { // no room, no right: nothing is wrong with what is there
		x.o.Logger.Warn("the search index cannot be read and is built anew", "dir", x.o.Dir, "err", err)
		if err := x.wipe(); err != nil {
			return nil, err
		}
		db, m, err = x.openOnce(key)
	}
	if err != nil {
		return nil, err
	}
	x.at.Store(m.at)
	x.whole.Store(m.whole)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.db, x.epoch, x.next = db, m.epoch, m.next
	return tables.Begin(db), nil
}

func (x *Index) openOnce(key [32]byte) (*badger.DB, mark, error) {
	if err := os.MkdirAll(x.o.Dir, 0o700); err != nil {
		return nil, mark{}, err
	}
	db, err := badger.Open(files(x.o.Dir, key[:]))
	if err != nil {
		return nil, mark{}, err
	}
	m, err := readMark(db)
	if err != nil {
		return nil, m, errors.Join(err, db.Close())
	}
	return db, m, nil
}

// wipe throws the files away; the store must be closed.
func (x *Index) wipe() error { return os.RemoveAll(x.o.Dir) }

// mark is how far the index is.
type mark struct {
	at    uint64 // position in the log
	epoch uint32
	next  uint32
	whole bool // it was level with the log once
}

func (m mark) encode() []byte {
	b := binary.BigEndian.AppendUint64([]byte{form}, m.at)
	b = binary.BigEndian.AppendUint32(b, m.epoch)
	b = binary.BigEndian.AppendUint32(b, m.next)
	if m.whole {
		return append(b, 1)
	}
	return append(b, 0)
}

// readMark reads the mark, or begins an empty store.
func readMark(db *badger.DB) (m mark, err error) {
	err = db.View(func(tx *badger.Txn) error {
		b, err := value(tx, []byte{rowMark})
		switch {
		case err != nil:
			return err
		case b == nil:
			var e [4]byte
			_, _ = rand.Read(e[:]) // crypto/rand.Read never fails
			m.epoch = binary.BigEndian.Uint32(e[:])
			return nil
		case len(b) != 18 || b[0] != form:
			return errRow
		}
		m = mark{binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint32(b[9:]), binary.BigEndian.Uint32(b[13:]), b[17] != 0}
		return nil
	})
	return m, err
}

// value is a row's, or nil.
func value(tx *badger.Txn, key []byte) ([]byte, error) {
	it, err := tx.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return it.ValueCopy(nil)
}

// doc is the row of an incident's number.
type doc struct {
	id    record.ID
	at    int64 // received, milliseconds since the Unix epoch, UTC
	terms []string
}

func (d *doc) encode() []byte {
	n := 24
	for _, t := range d.terms {
		n += 1 + len(t)
	}
	b := binary.BigEndian.AppendUint64(append(make([]byte, 0, n), d.id[:]...), uint64(max(d.at, 0)))
	for _, t := range d.terms {
		b = append(append(b, byte(len(t))), t...)
	}
	return b
}

func (d *doc) decode(b []byte, withTerms bool) error {
	if len(b) < 24 {
		return errRow
	}
	d.id, d.at = record.ID(b[:16]), int64(binary.BigEndian.Uint64(b[16:]))
	for b = b[24:]; withTerms && len(b) > 0; {
		n := int(b[0])
		if n == 0 || len(b) < 1+n {
			return errRow
		}
		d.terms = append(d.terms, string(b[1:1+n]))
		b = b[1+n:]
	}
	return nil
}

// getDoc reads the row of a number; nil when there is none.
func getDoc(tx *badger.Txn, n uint32, withTerms bool) (*doc, error) {
	b, err := value(tx, docKey(n))
	if b == nil || err != nil {
		return nil, err
	}
	d := &doc{}
	return d, d.decode(b, withTerms)
}

// number is the number of an incident.
func number(tx *badger.Txn, id record.ID) (n uint32, ok bool, err error) {
	b, err := value(tx, append([]byte{rowID}, id[:]...))
	if b == nil || err != nil {
		return 0, false, err
	}
	if len(b) != 4 {
		return 0, false, errRow
	}
	return binary.BigEndian.Uint32(b), true, nil
}
