package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"wardline/sync/record"
)

// Times of a member.
const (
	// lookEvery is how often a member looks for a new token and for what is due.
	lookEvery = time.Second
	// retryMin and retryMax bound the pause after a contact that failed.
	retryMin = time.Second
	retryMax = time.Minute
	// renewPause is how long a certificate is kept before a clock, or a door that turns it
	// away, makes it be renewed: a clock that is months ahead would ask every second.
	renewPause = 5 * time.Minute
	// maxToken bounds a token's file, in bytes.
	maxToken = 1 << 10
)

// MemberConfig is a machine that enrols.
type MemberConfig struct {
	Name Name
	// Dir is where its keys lie.
	Dir string
	// TokenFile is where an operator puts a token; empty: none is looked for. A new
	// one is found while the machine runs.
	TokenFile string
	// Roots is where the authorities that are trusted are kept for people (RootsFile); empty: nowhere.
	Roots string
	// Cores are the core nodes' sync addresses.
	Cores  []string
	Holder *Holder
	// Now is the best time that the machine knows; it may be wrong.
	Now func() time.Time
	// Share keeps the secrets of the core that come with a node's token, before its
	// certificate is kept; nil where none may come.
	Share func(Secrets) error
	Log   *slog.Logger
}

// Member keeps a machine's own certificate: enrols with a token, renews long
// before the end, comes back after it by the resume secret.
type Member struct {
	c     MemberConfig
	shown chan struct{} // closed once there is a certificate

	mu      sync.Mutex // guards below
	k       *kept
	problem error
	hurry   bool
	renewed time.Time // when this process got its last certificate
}

// OpenMember reads what the machine has; it asks nobody.
func OpenMember(c MemberConfig) (*Member, error) {
	k, err := readKept(c.Dir, c.Name)
	if err != nil {
		return nil, err
	}
	m := &Member{c: c, k: k, shown: make(chan struct{})}
	return m, m.show(k)
}

// show lets the holder show what the file holds.
func (m *Member) show(k *kept) error {
	cert, err := k.certificate()
	if err != nil {
		return err
	}
	roots, err := parseRoots(k.Roots)
	if err != nil {
		return err
	}
	m.c.Holder.SetRoots(roots)
	m.c.Holder.SetCertificate(cert)
	m.publish(roots)
	if cert == nil {
		return nil
	}
	select {
	case <-m.shown:
	default:
		close(m.shown) // here and in Run alone, one after the other
	}
	return nil
}

// Wait returns once there is a certificate, or ctx has ended.
func (m *Member) Wait(ctx context.Context) {
	select {
	case <-m.shown:
	case <-ctx.Done():
	}
}

// Status is how the enrolment stands: until when the certificate is good, zero
// without one, and what is wrong, for people.
func (m *Member) Status() (until time.Time, problem error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.c.Holder.Certificate(); c != nil {
		until = c.Leaf.NotAfter
	}
	return until, m.problem
}

// SetRoots takes the authorities that the city names now, and keeps them.
// A certificate of one that is not the newest is renewed soon.
func (m *Member) SetRoots(list [][]byte) error {
	roots, err := parseRoots(list)
	if err != nil || len(roots) == 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.EqualFunc(m.k.Roots, list, slices.Equal) {
		return nil
	}
	k := *m.k
	k.Roots = list
	if err := k.write(m.c.Dir); err != nil {
		return err
	}
	m.k = &k
	m.c.Holder.SetRoots(roots)
	m.publish(roots)
	return nil
}

// publish writes the authorities for people. The machine needs no such file: that it cannot
// be written holds nothing off.
func (m *Member) publish(roots []*x509.Certificate) {
	if m.c.Roots == "" {
		return
	}
	if err := WriteRoots(m.c.Roots, roots); err != nil {
		m.c.Log.Error("the file of authorities for devices and browsers is not of today", "file", m.c.Roots, "err", err)
	}
}

// Renew asks for a new certificate soon, whatever the present one's age.
func (m *Member) Renew() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hurry = true
}

// Run works until ctx ends.
func (m *Member) Run(ctx context.Context) error {
	wait, try, after := retryMin, rand.IntN(max(1, len(m.c.Cores))), time.Time{}
	var failedFor record.Hash
	for pause(ctx, lookEvery) {
		token, sum := m.token()
		if token == nil && !m.due() {
			continue
		}
		if time.Now().Before(after) && sum == failedFor { // a new token is tried at once
			continue
		}
		err := m.contact(ctx, m.c.Cores[try%len(m.c.Cores)], token)
		if ctx.Err() != nil {
			return nil
		}
		m.note(err)
		if err == nil {
			wait, after = retryMin, time.Time{}
			continue
		}
		try++
		failedFor, after = sum, time.Now().Add(wait/2+rand.N(wait))
		wait = min(2*wait, retryMax)
	}
	return nil
}

// Enrol enrols with the token that is there, and returns once there is a
// certificate. A token that is not good is an error at once; a city that is not reached is
// asked until ctx ends.
func (m *Member) Enrol(ctx context.Context) error {
	for try := 0; ; try++ {
		token, _ := m.token()
		if token == nil {
			if _, problem := m.Status(); problem != nil {
				return problem
			}
			return ErrNone
		}
		err := m.contact(ctx, m.c.Cores[try%len(m.c.Cores)], token)
		if err == nil || errors.Is(err, ErrToken) || errors.Is(err, ErrShare) || ctx.Err() != nil {
			return err
		}
		m.note(err)
		if !pause(ctx, retryMin) {
			return ctx.Err()
		}
	}
}

// ErrShare says that what the nodes share cannot be kept as the configuration says.
var ErrShare = errors.New("trust: the city's secrets")

// note says what changed, once.
func (m *Member) note(err error) {
	m.mu.Lock()
	was := m.problem
	m.problem = err
	m.mu.Unlock()
	switch {
	case err == nil:
		until, _ := m.Status()
		m.c.Log.Info("this machine has a new certificate", "name", m.c.Name, "until", until)
	case was == nil || was.Error() != err.Error():
		m.c.Log.Error("this machine could not be enrolled; it tries again", "name", m.c.Name, "err", err)
	}
}

// token is a token that was not tried to its end yet, with its sum.
func (m *Member) token() (*Token, record.Hash) {
	if m.c.TokenFile == "" {
		return nil, record.Hash{}
	}
	info, err := os.Stat(m.c.TokenFile)
	if err == nil && info.Size() > maxToken {
		err = fmt.Errorf("%s has %d bytes; a token has fewer than %d", m.c.TokenFile, info.Size(), maxToken)
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(m.c.TokenFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, record.Hash{}
	}
	var t Token
	if err == nil {
		t, err = ParseToken(string(raw))
	}
	if err == nil && t.Name != m.c.Name {
		err = fmt.Errorf("%w: it is for %s, and this is %s", ErrToken, t.Name, m.c.Name)
	}
	if err != nil {
		m.note(err)
		return nil, record.Hash{}
	}
	sum := Sum(t.Secret)
	m.mu.Lock()
	defer m.mu.Unlock()
	if sum == m.k.Token {
		return nil, record.Hash{}
	}
	return &t, sum
}

// due says whether a certificate is there that should be another: a newer authority
// is trusted, half of its life is over, or the city turns it away: it may have ended by the
// city's time, of which this machine's clock knows nothing.
func (m *Member) due() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.c.Holder.Certificate()
	if c == nil || m.k.Resume == "" {
		return false
	}
	roots := m.c.Holder.Roots()
	if m.hurry || m.k.Next != nil || len(roots) > 0 && c.Leaf.CheckSignatureFrom(roots[len(roots)-1]) != nil {
		return true
	}
	half := c.Leaf.NotBefore.Add(c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) / 2)
	return (!m.c.Now().Before(half) || m.c.Holder.Refused()) && (m.renewed.IsZero() || time.Since(m.renewed) > renewPause)
}

// contact asks one core node for a certificate, by a token or by the resume secret.
func (m *Member) contact(ctx context.Context, addr string, token *Token) error {
	r := Request{Name: m.c.Name}
	var sum record.Hash
	var pin *record.Hash
	if token != nil {
		r.Token, sum, pin = token.Secret, Sum(token.Secret), &token.Authority
	}
	m.mu.Lock()
	k := *m.k
	m.mu.Unlock()
	if token == nil {
		r.Resume = k.Resume
	}
	if k.Next == nil || k.Next.Token != sum {
		n, err := newNext(sum)
		if err != nil {
			return err
		}
		k.Next = n
		if err := m.keep(&k); err != nil {
			return err
		}
	}
	r.Next = Sum(k.Next.Resume)
	var err error
	if r.CSR, err = k.Next.csr(m.c.Name); err != nil {
		return err
	}
	g, err := m.c.Holder.ask(ctx, addr, r, pin)
	if errors.Is(err, ErrToken) && token != nil { // for good
		k.Token, k.Next = sum, nil
		return errors.Join(err, m.keep(&k))
	}
	if err != nil {
		return fmt.Errorf("core node %s: %w", addr, err)
	}
	k.Key, k.Resume, k.Chain, k.Roots, k.Next = k.Next.Key, k.Next.Resume, g.Chain, g.Roots, nil
	if token != nil {
		k.Token = sum
	}
	if err := m.checkGrant(&k); err != nil {
		return err
	}
	if g.Secrets != nil && m.c.Share != nil {
		if err := m.c.Share(*g.Secrets); err != nil {
			return err
		}
	}
	if err := m.keep(&k); err != nil {
		return err
	}
	m.mu.Lock()
	m.hurry, m.renewed = false, time.Now()
	m.mu.Unlock()
	return m.show(&k)
}

// checkGrant makes sure that what is kept can be shown.
func (m *Member) checkGrant(k *kept) error {
	c, err := k.certificate()
	if err != nil {
		return err
	}
	p, err := PeerOf(c.Leaf)
	if err == nil && (p.Name != m.c.Name || len(k.Roots) == 0) {
		err = fmt.Errorf("%w: the city sent a certificate of %s to %s, with %d authorities", ErrName, p.Name, m.c.Name, len(k.Roots))
	}
	if err == nil {
		_, err = parseRoots(k.Roots)
	}
	return err
}

// keep writes the file, and takes it for what holds.
func (m *Member) keep(k *kept) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := *k
	if err := now.write(m.c.Dir); err != nil {
		return err
	}
	m.k = &now
	return nil
}
