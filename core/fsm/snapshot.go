package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/dgraph-io/badger/v4"
)

// A snapshot is a stream: magic, rows (key length, value length, key, value;
// big-endian 32 bits each), a row of two zero lengths, SHA-256 of all before.
const snapshotMagic = "wardline state 2\n"

// OpenSnapshot gives the whole state from one read transaction. A first pass
// counts the exact size, which Raft wants to know; the reader is the second.
func (m *Machine) OpenSnapshot() (index, term uint64, size int64, r io.ReadCloser, err error) {
	m.mu.RLock() // held until the reader is closed: Install waits for it
	tx := m.db.NewTransaction(false)
	fail := func(err error) (uint64, uint64, int64, io.ReadCloser, error) {
		tx.Discard()
		m.mu.RUnlock()
		return 0, 0, 0, nil, err
	}
	v, err := get(tx, []byte{rowMeta})
	if err != nil {
		return fail(err)
	}
	var me meta
	if v != nil {
		if me, err = decodeMeta(v); err != nil {
			return fail(err)
		}
	}
	size = int64(len(snapshotMagic)) + 8 + sha256.Size
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false
	it := tx.NewIterator(opt)
	for it.Rewind(); it.Valid(); it.Next() {
		if k := it.Item().Key(); k[0] != '!' {
			size += 8 + int64(len(k)) + it.Item().ValueSize()
		}
	}
	it.Close()
	pr, pw := io.Pipe()
	go func() {
		defer m.mu.RUnlock()
		defer tx.Discard()
		pw.CloseWithError(writeState(tx, pw))
	}()
	return me.applied, me.term, size, pr, nil
}

func writeState(tx *badger.Txn, w io.Writer) error {
	h := sha256.New()
	buf := bufio.NewWriterSize(w, 256<<10)
	out := io.MultiWriter(buf, h)
	if _, err := io.WriteString(out, snapshotMagic); err != nil {
		return err
	}
	var n [8]byte
	err := scan(tx, nil, nil, true, func(k, v []byte) error {
		if k[0] == '!' {
			return nil
		}
		binary.BigEndian.PutUint32(n[:], uint32(len(k)))
		binary.BigEndian.PutUint32(n[4:], uint32(len(v)))
		for _, p := range [][]byte{n[:], k, v} {
			if _, err := out.Write(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n = [8]byte{}
	if _, err := out.Write(n[:]); err != nil {
		return err
	}
	if _, err := buf.Write(h.Sum(nil)); err != nil {
		return err
	}
	return buf.Flush()
}

// ErrSnapshot says that a stream is no whole state.
var ErrSnapshot = errors.New("fsm: snapshot is damaged or cut short")

// Install replaces the whole state by what r gives. The new one is built
// beside the old, proved, marked whole, and only then takes its place; after a
// crash at any point one of the two is there whole.
func (m *Machine) Install(r io.Reader) error {
	if err := os.RemoveAll(m.path(nextName)); err != nil {
		return err
	}
	o, err := m.store(nextName)
	if err != nil {
		return err
	}
	db, err := badger.Open(o)
	if err != nil {
		return err
	}
	if err := errors.Join(readState(db, r), db.Close()); err != nil {
		return errors.Join(err, os.RemoveAll(m.path(nextName)))
	}
	f, err := os.Create(m.path(nextName + "/" + wholeTag))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close(), syncTree(m.path(nextName))); err != nil {
		return err
	}
	return m.swap()
}

// syncTree syncs every file of a closed store and its folder.
func syncTree(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		f, err := os.Open(dir + "/" + e.Name())
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

func (m *Machine) swap() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen.end()
	if err := m.closeLocked(); err != nil {
		return err
	}
	if err := m.settle(); err != nil {
		return err
	}
	if err := m.open(); err != nil {
		return err
	}
	m.notify()
	return nil
}

// Reset empties the state durably.
func (m *Machine) Reset() error {
	if err := os.RemoveAll(m.path(nextName)); err != nil {
		return err
	}
	if err := os.MkdirAll(m.path(nextName), 0o700); err != nil {
		return err
	}
	f, err := os.Create(m.path(nextName + "/" + wholeTag))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close(), syncDir(m.path(nextName))); err != nil {
		return err
	}
	return m.swap()
}

type summed struct {
	r io.Reader
	h hash.Hash
}

func (s summed) full(p []byte) error {
	if _, err := io.ReadFull(s.r, p); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		return err
	}
	s.h.Write(p)
	return nil
}

// maxSnapshotRow bounds a row read from a stream.
const maxSnapshotRow = 1 << 20

func readState(db *badger.DB, r io.Reader) error {
	s := summed{bufio.NewReaderSize(r, 256<<10), sha256.New()}
	magic := make([]byte, len(snapshotMagic))
	if err := s.full(magic); err != nil {
		return err
	}
	if string(magic) != snapshotMagic {
		return fmt.Errorf("%w: not a state of this version", ErrSnapshot)
	}
	wb := db.NewWriteBatch()
	defer wb.Cancel()
	var n [8]byte
	for {
		if err := s.full(n[:]); err != nil {
			return err
		}
		kl, vl := binary.BigEndian.Uint32(n[:]), binary.BigEndian.Uint32(n[4:])
		if kl == 0 && vl == 0 {
			break
		}
		if kl == 0 || kl > 1024 || vl > maxSnapshotRow {
			return fmt.Errorf("%w: row of %d and %d bytes", ErrSnapshot, kl, vl)
		}
		row := make([]byte, kl+vl)
		if err := s.full(row); err != nil {
			return err
		}
		if err := wb.Set(row[:kl], row[kl:]); err != nil {
			return err
		}
	}
	want := s.h.Sum(nil)
	got := make([]byte, sha256.Size)
	if _, err := io.ReadFull(s.r, got); err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%w: checksum", ErrSnapshot)
	}
	if err := wb.Flush(); err != nil {
		return err
	}
	return db.Sync()
}
