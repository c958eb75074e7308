package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// SessionLife is the longest that a session lasts: one shift and its hand-over.
const SessionLife = 14 * time.Hour

// Sessions are log-ins. A token says who logged in, when and under which password,
// under a key that all nodes of the city share, so that a browser stays logged in when
// the node that it spoke with dies. What the officer may do is looked up at each
// request. It is over when its time is, when it went unused for too long, when the
// account is disabled or has another password, and when it was ended: that is kept for
// as long as it would have lasted, by a hash of its random id. No session needs a row to
// go on; the rows of those in use are for people, and for the idle end when another node
// takes over.
type Sessions struct {
	now  func() time.Time
	key  [32]byte
	dir  *Directory
	wake chan struct{}

	mu    sync.Mutex // guards what follows
	idle  time.Duration
	store Store
	ended map[string]Ended // by user, of this process; what the store may not show yet
	marks map[[16]byte]*mark
}

// Store keeps which sessions were ended and which are in use, for all nodes and over
// a restart.
type Store interface {
	Ended(user string) (Ended, error)
	// End returns once it is kept.
	End(ctx context.Context, user string, e End) error
	InUse(user string) (Uses, error)
	// Use takes in uses of sessions (Uses.Note), at most maxUses.
	Use(ctx context.Context, uses []Use) error
}

// End is one session that was ended; with All set, every one of the account that began
// until At. Times are milliseconds since the Unix epoch, UTC.
type End struct {
	ID        [16]byte // hash of the session's random id
	Began, At int64
	All       bool
}

// Ended are an account's ended sessions.
type Ended struct {
	Until int64 // all that began until then
	List  []EndedOne
}

// EndedOne is one ended session, and when it began.
type EndedOne struct {
	ID    [16]byte
	Began int64
}

// maxEnded bounds the list of an account; when it is longer, the oldest and all that
// began before it are over.
const maxEnded = 16

const endedSize = 24

// Add notes an end. What would be over anyway at e.At is forgotten.
func (d *Ended) Add(e End) {
	if e.All {
		d.Until = max(d.Until, e.At)
	} else if !d.Has(e.ID, e.Began) {
		d.List = append(slices.Clone(d.List), EndedOne{e.ID, e.Began})
	}
	slices.SortFunc(d.List, func(a, b EndedOne) int { return int(max(-1, min(1, a.Began-b.Began))) })
	if n := len(d.List); n > maxEnded {
		d.Until = max(d.Until, d.List[n-maxEnded-1].Began)
	}
	d.List = slices.DeleteFunc(d.List, func(x EndedOne) bool {
		return x.Began <= d.Until || x.Began+SessionLife.Milliseconds() < e.At
	})
}

// Has says whether a session was ended.
func (d *Ended) Has(id [16]byte, began int64) bool {
	return began <= d.Until || slices.Contains(d.List, EndedOne{id, began})
}

// Encode is the stored form.
func (d *Ended) Encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+endedSize*len(d.List)), uint64(d.Until))
	for _, x := range d.List {
		b = append(binary.BigEndian.AppendUint64(b, uint64(x.Began)), x.ID[:]...)
	}
	return b
}

// DecodeEnded reads the stored form; nothing is nothing ended.
func DecodeEnded(b []byte) (d Ended, err error) {
	if len(b) == 0 {
		return d, nil
	}
	if len(b) < 8 || (len(b)-8)%endedSize != 0 || len(b) > 8+endedSize*maxEnded {
		return d, errors.New("identity: damaged row of ended sessions")
	}
	d.Until = int64(binary.BigEndian.Uint64(b))
	for b = b[8:]; len(b) > 0; b = b[endedSize:] {
		d.List = append(d.List, EndedOne{[16]byte(b[8:endedSize]), int64(binary.BigEndian.Uint64(b))})
	}
	return d, nil
}

// NewSessions takes the clock that ends them and the key that proves them.
func NewSessions(now func() time.Time, key [32]byte, dir *Directory) *Sessions {
	return &Sessions{now: now, key: key, dir: dir, wake: make(chan struct{}, 1), idle: DefaultIdle, ended: map[string]Ended{}, marks: map[[16]byte]*mark{}}
}

// Keep gives the sessions a store.
func (s *Sessions) Keep(store Store) *Sessions {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = store
	return s
}

func (s *Sessions) mac(body string) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(body))
	return h.Sum(nil)
}

// Where the parts of a token begin: after the time 16 random bytes, the password's
// name, the user.
const (
	credAt = 8 + 16
	userAt = credAt + 8
)

// Start begins a session and gives its token, a new one each time: what a browser
// held before it logged in is worth nothing.
func (s *Sessions) Start(o Officer) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, userAt+len(o.User)), uint64(s.now().UnixMilli()))
	raw = raw[:credAt]
	_, _ = rand.Read(raw[8:]) // crypto/rand.Read never fails
	raw = append(append(raw, o.Cred[:]...), o.User...)
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.mac(body))
}

// claims is what a token says, once it is proved.
type claims struct {
	id    [16]byte
	began int64
	cred  [8]byte
	user  string
}

func (s *Sessions) open(token string) (c claims, ok bool) {
	body, sum, ok := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if !ok || err != nil || !hmac.Equal(mac, s.mac(body)) {
		return c, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < userAt {
		return c, false
	}
	sum32 := sha256.Sum256(raw[8:credAt])
	c = claims{[16]byte(sum32[:16]), int64(binary.BigEndian.Uint64(raw)), [8]byte(raw[credAt:userAt]), string(raw[userAt:])}
	age := s.now().Sub(time.UnixMilli(c.began))
	// A token from a few seconds ahead is from a node whose clock is ahead.
	return c, age <= SessionLife && age >= -time.Minute
}

// Officer is who holds a token, which is a use of the session.
func (s *Sessions) Officer(token string) (Officer, bool) { return s.OfficerFrom(token, "", "") }

// OfficerFrom is Officer, with the address and the kind of program that showed the token.
func (s *Sessions) OfficerFrom(token, from, with string) (Officer, bool) {
	c, ok := s.open(token)
	if !ok {
		return Officer{}, false
	}
	s.mu.Lock()
	here, store := s.ended[c.user], s.store
	s.mu.Unlock()
	if here.Has(c.id, c.began) {
		return Officer{}, false
	}
	if store != nil {
		if kept, err := store.Ended(c.user); err != nil || kept.Has(c.id, c.began) {
			return Officer{}, false
		}
	}
	o, ok := s.dir.OfficerByUser(c.user)
	if !ok || o.Cred != c.cred || s.unused(&c) {
		return Officer{}, false
	}
	s.used(&c, from, with)
	return o, true
}

// End ends a session, or with all every one of its account; a token that is worth
// nothing is no error. At this process it is over even if an error says that it
// could not be kept for the others.
func (s *Sessions) End(ctx context.Context, token string, all bool) error {
	c, ok := s.open(token)
	if !ok {
		return nil
	}
	return s.end(ctx, c.user, End{ID: c.id, Began: c.began, At: s.now().UnixMilli(), All: all})
}

func (s *Sessions) end(ctx context.Context, user string, e End) error {
	s.mu.Lock()
	store := s.store
	d := s.ended[user]
	d.Add(e)
	s.ended[user] = d // an account's row is small, and accounts are bounded
	for id, m := range s.marks {
		if m.User == user && d.Has(id, m.Began) {
			delete(s.marks, id)
		}
	}
	s.mu.Unlock()
	if store == nil {
		return nil
	}
	return store.End(ctx, user, e)
}
