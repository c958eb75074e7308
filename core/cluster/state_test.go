package cluster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// fileState is a durable State in one file: entries in order, each with a
// checksum, synced. An item is applied once however often it comes; its result is its position.
type fileState struct {
	t   testing.TB
	dir string

	// gate, when set, is received from before each block that Install reads.
	gate chan struct{}
	// hold, when set, is received from before each ApplyBatch.
	hold chan struct{}

	progress atomic.Uint64 // moved by tests

	mu          sync.Mutex
	f           *os.File
	index, term uint64
	synced      uint64 // index at the last Sync
	items       []string
	pos         map[string]uint64
	installs    int
	failWith    error
}

var _ State = (*fileState)(nil)

func openFileState(t testing.TB, dir string) *fileState {
	t.Helper()
	s := &fileState{t: t, dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *fileState) path() string { return filepath.Join(s.dir, "state", "data") }

func (s *fileState) load() error {
	f, err := os.OpenFile(s.path(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.f, s.index, s.term, s.items, s.pos = f, 0, 0, nil, map[string]uint64{}
	r := bufio.NewReader(f)
	good := int64(0)
	for {
		var h [8]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			break
		}
		b := make([]byte, binary.BigEndian.Uint32(h[:]))
		if _, err := io.ReadFull(r, b); err != nil || crc32.ChecksumIEEE(b) != binary.BigEndian.Uint32(h[4:]) {
			break
		}
		s.replay(b)
		good += int64(8 + len(b))
	}
	if err := f.Truncate(good); err != nil {
		return err
	}
	_, err = f.Seek(good, io.SeekStart)
	return err
}

// replay takes one record: index, term, items.
func (s *fileState) replay(b []byte) {
	s.index, s.term = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	for b = b[16:]; len(b) > 0; {
		n := binary.BigEndian.Uint32(b)
		s.add(string(b[4 : 4+n]))
		b = b[4+n:]
	}
}

func (s *fileState) add(item string) uint64 {
	if p, ok := s.pos[item]; ok {
		return p
	}
	s.items = append(s.items, item)
	s.pos[item] = uint64(len(s.items))
	return s.pos[item]
}

func record(index, term uint64, items [][]byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, index)
	b = binary.BigEndian.AppendUint64(b, term)
	for _, it := range items {
		b = binary.BigEndian.AppendUint32(b, uint32(len(it)))
		b = append(b, it...)
	}
	h := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	h = binary.BigEndian.AppendUint32(h, crc32.ChecksumIEEE(b))
	return append(h, b...)
}

func (s *fileState) ApplyBatch(entries []LogEntry) ([][][]byte, error) {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failWith != nil {
		return nil, s.failWith
	}
	out := make([][][]byte, len(entries))
	var w []byte
	for i, e := range entries {
		if e.Index <= s.index {
			continue
		}
		w = append(w, record(e.Index, e.Term, e.Items)...)
		s.index, s.term = e.Index, e.Term
		for _, it := range e.Items {
			out[i] = append(out[i], binary.BigEndian.AppendUint64(nil, s.add(string(it))))
		}
	}
	if _, err := s.f.Write(w); err != nil {
		return nil, err
	}
	return out, s.f.Sync()
}

func (s *fileState) Applied() (uint64, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index, s.term
}

func (s *fileState) Progress() uint64 { return s.progress.Load() }

func (s *fileState) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failWith == nil {
		s.synced = s.index
	}
	return s.failWith
}

func (s *fileState) OpenSnapshot() (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.Open(s.path())
	if err != nil {
		return nil, err
	}
	size, err := s.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	return &Snapshot{Index: s.index, Term: s.term, Size: size, ReadCloser: struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, size), f}}, nil
}

func (s *fileState) Install(r io.Reader) error {
	dir := filepath.Join(s.dir, "state.new")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		if s.gate != nil {
			<-s.gate
		}
		n, err := r.Read(buf)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.installs++
	return s.swap(dir)
}

func (s *fileState) swap(dir string) error {
	if err := s.f.Close(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(s.dir, "state")); err != nil {
		return err
	}
	return s.load()
}

func (s *fileState) Reset() error {
	dir := filepath.Join(s.dir, "state.new")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swap(dir)
}

func (s *fileState) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f.Close()
}

func (s *fileState) snapshotItems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.items...)
}

func (s *fileState) installCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.installs
}
