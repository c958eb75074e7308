package identity

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How guesses at an account from one source are slowed: freeTries at once, then a
// second, then twice as long each time up to maxDelay; forgotten after forgetAfter of quiet.
const (
	freeTries   = 5
	firstDelay  = time.Second
	maxDelay    = time.Minute
	forgetAfter = 15 * time.Minute
	// maxTried bounds the pairs of account and source that are remembered; the one
	// that was quiet longest is forgotten first.
	maxTried = 8192
	// DeskLife is how long a browser is known after its last log-in.
	DeskLife = 180 * 24 * time.Hour
)

// Throttle slows guesses at passwords by account and source. It never locks an
// account: a desk where somebody logged in before is a source of its own, so that
// nobody elsewhere, not even behind the same address, can keep it out.
type Throttle struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	byKey map[[32]byte]*list.Element
	order *list.List // of *tried, the latest first
}

type tried struct {
	key   [32]byte
	fails int
	last  time.Time
	next  time.Time
}

// NewThrottle takes the clock.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{now: now, byKey: map[[32]byte]*list.Element{}, order: list.New()}
}

func triedKey(user, source string) [32]byte {
	return sha256.Sum256([]byte(strings.ToLower(user) + "\x00" + source))
}

// Take counts a try before it is made, so that many at once do not slip through; more
// than zero is how long to wait instead.
func (t *Throttle) Take(user, source string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, key := t.now(), triedKey(user, source)
	el, known := t.byKey[key]
	if !known {
		if t.order.Len() >= maxTried {
			old := t.order.Back()
			delete(t.byKey, old.Value.(*tried).key)
			t.order.Remove(old)
		}
		el = t.order.PushFront(&tried{key: key})
		t.byKey[key] = el
	}
	x := el.Value.(*tried)
	if now.Sub(x.last) > forgetAfter {
		x.fails, x.next = 0, time.Time{}
	}
	if wait := x.next.Sub(now); wait > 0 {
		return wait
	}
	t.order.MoveToFront(el)
	x.fails++
	x.last = now
	if n := x.fails - freeTries; n >= 0 {
		x.next = now.Add(min(maxDelay, firstDelay<<min(n, 10)))
	}
	return 0
}

// Passed forgets the tries that came before the right password.
func (t *Throttle) Passed(user, source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := triedKey(user, source)
	if el, known := t.byKey[key]; known {
		t.order.Remove(el)
		delete(t.byKey, key)
	}
}

// Source names where a request came from, host and port; of an IPv6 address the
// network, because one house has as many addresses as it likes.
func Source(addr string) string {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "?"
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// NewDesk is a proof that somebody logged in at a browser, for its next log-in.
func (s *Sessions) NewDesk() string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(s.now().UnixMilli()))[:24]
	_, _ = rand.Read(raw[8:]) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(append(raw, s.mac("desk\x00"+string(raw))...))
}

// Desk is the name of a browser where somebody logged in before.
func (s *Sessions) Desk(proof string) (name string, known bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(proof)
	if err != nil || len(raw) != 24+sha256.Size || !hmac.Equal(raw[24:], s.mac("desk\x00"+string(raw[:24]))) {
		return "", false
	}
	age := s.now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	return "desk " + base64.RawURLEncoding.EncodeToString(raw[8:24]), age <= DeskLife && age >= -time.Minute
}
