package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// Session limits.
const (
	// SessionLife covers one shift and its hand-over.
	SessionLife = 14 * time.Hour
	// maxEnded bounds what a process remembers of sessions that were ended; a
	// session is forgotten when it would have run out anyway.
	maxEnded = 100_000
)

// Sessions are log-ins. A token says who logged in and when, under a key that
// all nodes of the city share, so that a browser stays logged in when the node
// that it spoke with dies. What the officer may do is looked up at each request.
// A session that was ended is refused by the process at which it was ended.
type Sessions struct {
	now func() time.Time
	key [32]byte
	dir *Directory

	mu    sync.Mutex // guards ended
	ended map[[32]byte]time.Time
}

// NewSessions takes the clock that ends them and the key that proves them.
func NewSessions(now func() time.Time, key [32]byte, dir *Directory) *Sessions {
	return &Sessions{now: now, key: key, dir: dir, ended: map[[32]byte]time.Time{}}
}

func (s *Sessions) mac(body string) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(body))
	return h.Sum(nil)
}

// Start begins a session and gives its token.
func (s *Sessions) Start(o Officer) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, userAt+len(o.User)), uint64(s.now().UnixMilli()))
	raw = raw[:userAt]
	_, _ = rand.Read(raw[8:]) // crypto/rand.Read never fails
	raw = append(raw, o.User...)
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.mac(body))
}

// userAt is where the user's name begins in a token: after the time and 16
// random bytes.
const userAt = 8 + 16

// Officer is who holds a token.
func (s *Sessions) Officer(token string) (Officer, bool) {
	body, sum, ok := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if !ok || err != nil || !hmac.Equal(mac, s.mac(body)) {
		return Officer{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < userAt {
		return Officer{}, false
	}
	age := s.now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	s.mu.Lock()
	_, ended := s.ended[sha256.Sum256([]byte(token))]
	s.mu.Unlock()
	// A token from a few seconds ahead is from a node whose clock is ahead.
	if ended || age > SessionLife || age < -time.Minute {
		return Officer{}, false
	}
	return s.dir.OfficerByUser(string(raw[userAt:]))
}

// End ends a session.
func (s *Sessions) End(token string) {
	if _, ok := s.Officer(token); !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for k, at := range s.ended {
		if now.Sub(at) > SessionLife || len(s.ended) >= maxEnded {
			delete(s.ended, k)
		}
	}
	s.ended[sha256.Sum256([]byte(token))] = now
}
