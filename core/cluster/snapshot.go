package cluster

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	markName     = "snapshot.json"
	incomingName = "snapshot.incoming.json"
	// installedPrefix marks the name of a snapshot that has just been received:
	// Raft opens it only to hand it to the machine, which has it already.
	installedPrefix = "installed-"
)

// snapMark is all that a snapshot is on disk. The data are in the State and
// are streamed when a follower needs them.
type snapMark struct {
	// Index and Term are what Raft announces: everything up to here is in the
	// State, and the log may begin after it.
	Index, Term uint64
	// Configuration is the one in force at Index, and ConfigIndex where it stands.
	Configuration raft.Configuration
	ConfigIndex   uint64
	// Applied is the last command that the State held when the mark was set. A State with
	// less has lost something. After an install it may lie beyond Index, and beyond the log.
	Applied uint64
}

func (m snapMark) name() string { return fmt.Sprintf("%d-%d", m.Term, m.Index) }

// snapStore is the raft.SnapshotStore.
type snapStore struct {
	dir     string
	machine *machine
	fail    func(error)
	grace   time.Duration
	// logFull says that the log is over its limit, so that it is cut even
	// under a stream.
	logFull func() bool

	mu         sync.Mutex
	mark       snapMark // Index 0: none yet
	streams    int
	lastStream time.Time
	receiving  *snapSink
}

var _ raft.SnapshotStore = (*snapStore)(nil)

// openSnapStore reads the mark, and finishes an install that a crash cut
// between the State's rename and ours: the incoming mark was synced before the State
// began, so a State at or beyond it contains all that the mark announces.
func openSnapStore(dir string, applied uint64) (*snapStore, error) {
	s := &snapStore{dir: dir, logFull: func() bool { return false }}
	if _, err := readJSON(dir, markName, &s.mark); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrRejoin, err)
	}
	var in snapMark
	found, err := readJSON(dir, incomingName, &in)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrRejoin, err)
	}
	if found && applied >= in.Applied && in.Index >= s.mark.Index {
		if err := s.save(in); err != nil {
			return nil, err
		}
	}
	if found {
		return s, removeFile(dir, incomingName)
	}
	return s, nil
}

func (s *snapStore) save(m snapMark) error {
	if err := writeJSON(s.dir, markName, m); err != nil {
		return err
	}
	s.mu.Lock()
	s.mark = m
	s.mu.Unlock()
	return nil
}

func (s *snapStore) current() snapMark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark
}

// keepLog says whether a follower is being sent a snapshot, or was just now.
func (s *snapStore) keepLog(now time.Time) bool {
	s.mu.Lock()
	keep := s.streams > 0 || !s.lastStream.IsZero() && now.Sub(s.lastStream) < s.grace
	s.mu.Unlock()
	return keep && !s.logFull()
}

// receiveIdle is for how long a snapshot that is being received has brought nothing.
func (s *snapStore) receiveIdle(now time.Time) time.Duration {
	s.mu.Lock()
	k := s.receiving
	s.mu.Unlock()
	if k == nil {
		return 0
	}
	return k.idle(now)
}

func (m snapMark) meta() *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersionMax, ID: m.name(), Index: m.Index, Term: m.Term,
		Configuration: m.Configuration, ConfigurationIndex: m.ConfigIndex,
	}
}

// List implements raft.SnapshotStore: there is one snapshot, the State as it is.
func (s *snapStore) List() ([]*raft.SnapshotMeta, error) {
	m := s.current()
	if m.Index == 0 {
		return nil, nil
	}
	return []*raft.SnapshotMeta{m.meta()}, nil
}

// Open implements raft.SnapshotStore: it streams the State as it is now under
// the mark's index. What is announced lies at or before what is contained, so
// the follower is given again what it has, and skips it; the configuration is the mark's,
// because those that came later are in the log that follows.
func (s *snapStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	m := s.current()
	if name, ok := strings.CutPrefix(id, installedPrefix); ok {
		if name != m.name() {
			return nil, nil, fmt.Errorf("snapshot %s is no longer there", id)
		}
		return m.meta(), io.NopCloser(strings.NewReader("")), nil
	}
	if m.Index == 0 || id != m.name() {
		return nil, nil, fmt.Errorf("snapshot %s is no longer there", id)
	}
	s.mu.Lock()
	s.streams++ // before the reading: from here on the log is kept
	s.mu.Unlock()
	snap, err := s.machine.state.OpenSnapshot()
	if err == nil && snap.Index < m.Applied {
		snap.Close()
		err = fmt.Errorf("state is at %d, the snapshot's mark at %d: %w", snap.Index, m.Applied, ErrRejoin)
		s.fail(err)
	}
	if err != nil {
		s.streamDone()
		return nil, nil, fmt.Errorf("open snapshot: %w", err)
	}
	meta := m.meta()
	meta.Size = streamSize(snap.Size)
	return meta, newStreamReader(snap, s.streamDone), nil
}

func (s *snapStore) streamDone() {
	s.mu.Lock()
	s.streams--
	s.lastStream = time.Now()
	s.mu.Unlock()
}

// Create implements raft.SnapshotStore. Raft calls it for a local snapshot,
// which closeLocal completes, and for a received one, which is written to.
func (s *snapStore) Create(_ raft.SnapshotVersion, index, term uint64, conf raft.Configuration, confIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &snapSink{
		store: s,
		mark:  snapMark{Index: index, Term: term, Configuration: conf, ConfigIndex: confIndex},
		last:  time.Now(),
	}, nil
}

// snapSink takes one snapshot. Write, Close and Cancel come from one goroutine.
type snapSink struct {
	store *snapStore
	mark  snapMark
	done  bool

	head []byte // the stream's header until it is complete
	pipe *io.PipeWriter
	end  chan error // the install's result

	mu   sync.Mutex
	last time.Time
	busy bool // in Close: the State is at work, not the network
}

// ID implements raft.SnapshotSink.
func (k *snapSink) ID() string {
	if k.pipe != nil {
		return installedPrefix + k.mark.name()
	}
	return k.mark.name()
}

func (k *snapSink) idle(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy {
		return 0
	}
	return now.Sub(k.last)
}

func (k *snapSink) touch(busy bool) {
	k.mu.Lock()
	k.last, k.busy = time.Now(), busy
	k.mu.Unlock()
}

// closeLocal sets the mark of a local snapshot.
func (k *snapSink) closeLocal(applied uint64) error {
	k.done = true
	k.mark.Applied = applied
	if err := k.store.save(k.mark); err != nil {
		k.store.fail(fmt.Errorf("snapshot mark: %w: %w", ErrDisk, err))
		return err
	}
	return nil
}

// Write implements io.Writer: the first bytes are the stream's header; the rest
// goes to the State as it arrives.
func (k *snapSink) Write(p []byte) (int, error) {
	n := len(p)
	k.touch(k.pipe != nil) // while the State takes bytes it may be the disk that is slow
	defer k.touch(false)
	if k.pipe == nil {
		take := min(streamHeader-len(k.head), len(p))
		k.head = append(k.head, p[:take]...)
		p = p[take:]
		if len(k.head) < streamHeader {
			return n, nil
		}
		if err := k.begin(); err != nil {
			return 0, err
		}
	}
	if _, err := k.pipe.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

// begin starts the install behind the header.
func (k *snapSink) begin() error {
	applied, size, err := readStreamHeader(k.head)
	if err != nil {
		return err
	}
	k.mark.Applied = applied
	if err := writeJSON(k.store.dir, incomingName, k.mark); err != nil {
		return err
	}
	r, w := io.Pipe()
	k.pipe, k.end = w, make(chan error, 1)
	k.store.mu.Lock()
	k.store.receiving = k
	k.store.mu.Unlock()
	go func() {
		body := newStreamBody(r, size)
		err := k.store.machine.install(body, k.mark)
		if err == nil && !body.complete {
			err = errors.New("install snapshot: the state did not read to the end")
			k.store.fail(fmt.Errorf("%w: %w", err, ErrRejoin))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		k.end <- err
	}()
	return nil
}

// finish waits for the install after the stream has ended with cause.
func (k *snapSink) finish(cause error) error {
	k.touch(true)
	if cause == nil {
		k.pipe.Close()
	} else {
		k.pipe.CloseWithError(cause)
	}
	err := <-k.end
	k.store.mu.Lock()
	k.store.receiving = nil
	k.store.mu.Unlock()
	return err
}

// Close implements raft.SnapshotSink: the State is installed when it returns nil.
func (k *snapSink) Close() error {
	if k.done {
		return nil
	}
	k.done = true
	if k.pipe == nil {
		return errStreamShort
	}
	if err := k.finish(nil); err != nil {
		return errors.Join(err, removeFile(k.store.dir, incomingName))
	}
	if err := k.store.save(k.mark); err != nil {
		k.store.fail(fmt.Errorf("snapshot mark: %w: %w", ErrDisk, err))
		return err
	}
	return removeFile(k.store.dir, incomingName)
}

// Cancel implements raft.SnapshotSink: the old State stays.
func (k *snapSink) Cancel() error {
	if k.done {
		return nil
	}
	k.done = true
	if k.pipe == nil {
		return nil
	}
	if err := k.finish(errStreamShort); err == nil {
		// All of it had come and is in place, only Raft was not told.
		return k.store.save(k.mark)
	}
	return removeFile(k.store.dir, incomingName)
}
