package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"wardline/sync/record"
)

// Installs gives each install of the citizen's page or app a credential of its own,
// without a name and without a row: the id is drawn at random, the password is its
// HMAC-SHA-256 (RFC 2104) under a key that all core nodes have. A city of millions of
// phones costs nothing to keep, every node knows every phone at once, and who has one
// phone's password knows no other's. With another key all register anew, by themselves;
// their reports keep their ids.
type Installs struct {
	key     [32]byte
	now     func() time.Time
	revoked func(id string) bool

	mu     sync.Mutex // guards below
	all    *rate.Limiter
	by     map[netip.Prefix]*rate.Limiter
	oldest []netip.Prefix // in the order in which they were put into by
}

const (
	installPrefix = "app-"
	// installRate and installBurst bound the registrations of one address (an IPv6 /64):
	// behind one address of a mobile network there are thousands of phones, of which
	// a page is opened for the first time by a few a minute.
	installRate  = rate.Limit(1.0 / 5)
	installBurst = 60
	// allInstalls bounds those of all addresses, a second: the whole city in a few days.
	allInstalls = 100
	// maxAddresses bounds what is remembered of addresses, a few megabytes.
	maxAddresses = 20_000
)

var installText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewInstalls makes them from the key. revoked says which are taken back; nil: none.
func NewInstalls(key [32]byte, now func() time.Time, revoked func(id string) bool) *Installs {
	return &Installs{key: key, now: now, revoked: revoked, all: rate.NewLimiter(allInstalls, allInstalls), by: map[netip.Prefix]*rate.Limiter{}}
}

// Register gives a new install its id and password; ok is false when its address, or
// all together, have registered too many. Ward may be empty.
func (x *Installs) Register(from netip.Addr, ward record.WardCode) (dev Device, password string, ok bool) {
	if !x.allow(from) {
		return dev, "", false
	}
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	id := installPrefix
	if ward != "" {
		id += string(ward) + "-"
	}
	id += installText.EncodeToString(b[:])
	return Device{ID: id, Ward: ward, Kind: "app"}, x.password(id), true
}

func (x *Installs) allow(from netip.Addr) bool {
	from = from.Unmap()
	bits := 32
	if from.Is6() {
		bits = 64
	}
	p, err := from.Prefix(bits)
	if err != nil { // no address: one bucket for all such
		p = netip.Prefix{}
	}
	now := x.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	l, known := x.by[p]
	if !known {
		if len(x.oldest) >= maxAddresses {
			delete(x.by, x.oldest[0])
			x.oldest = x.oldest[1:]
		}
		l = rate.NewLimiter(installRate, installBurst)
		x.by[p] = l
		x.oldest = append(x.oldest, p)
	}
	return l.AllowN(now, 1) && x.all.AllowN(now, 1)
}

func (x *Installs) password(id string) string {
	m := hmac.New(sha256.New, x.key[:])
	m.Write([]byte("wardline install\x00" + id))
	return installText.EncodeToString(m.Sum(nil)[:20])
}

// device is an install by its id, whoever says so.
func (x *Installs) device(id string) (Device, bool) {
	rest, ok := strings.CutPrefix(id, installPrefix)
	ward, secret, has := strings.Cut(rest, "-")
	if !has {
		ward, secret = "", rest
	}
	if b, err := installText.DecodeString(secret); !ok || err != nil || len(b) != 16 || has && !record.WardCode(ward).Valid() {
		return Device{}, false
	}
	return Device{ID: id, Ward: record.WardCode(ward), Kind: "app"}, x.revoked == nil || !x.revoked(id)
}

// admits checks an install's password.
func (x *Installs) admits(id, password string) (Device, bool) {
	d, ok := x.device(id)
	return d, subtle.ConstantTimeCompare([]byte(password), []byte(x.password(id))) == 1 && ok
}
