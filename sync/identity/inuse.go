package identity

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultIdle is how long a session may go unused. A page that is open uses its session
// by its live stream, so that a desk on duty does not stop ringing on a quiet night;
// what ends is the session of a browser that was closed, and a copy of a cookie.
const DefaultIdle = 30 * time.Minute

const (
	// maxInUse bounds the sessions that are listed of an account: its desks of one
	// day. Of more, those that were used longest ago are not listed; all of them end
	// when all are ended.
	maxInUse = 32
	// maxMarks bounds what a process remembers: twice the live streams of a node.
	maxMarks = 4096
	// maxUses bounds one write of the store.
	maxUses = 64
	// maxFrom bounds an address, an IPv6 network at most.
	maxFrom = 64
	// useEvery is how often it is looked for what the store does not have yet.
	useEvery = time.Minute
)

// InUse is one session that goes on. Times are milliseconds since the Unix epoch, UTC.
type InUse struct {
	ID    [16]byte // hash of the session's random id
	Began int64
	Seen  int64   // when it was used last; in a store up to a sixth of the idle time older
	Cred  [8]byte // the password's name (Officer.Cred): with another it is over
	From  string  // the address, of IPv6 the network (Source)
	With  string  // the kind of program (Program)
}

// Use is a session in use and whose it is.
type Use struct {
	User string
	InUse
}

// Uses are an account's sessions in use, the latest first; at most maxInUse.
type Uses []InUse

// Note takes in that a session was used. What would be over anyway by then is forgotten.
func (u *Uses) Note(x InUse) {
	x.From, x.With = x.From[:min(len(x.From), maxFrom)], x.With[:min(len(x.With), maxFrom)]
	l := slices.Clone(*u)
	if i := slices.IndexFunc(l, func(o InUse) bool { return o.ID == x.ID }); i < 0 {
		l = append(l, x)
	} else if x.Seen >= l[i].Seen {
		l[i] = x
	}
	l = slices.DeleteFunc(l, func(o InUse) bool { return o.Began+SessionLife.Milliseconds() < x.Seen })
	slices.SortFunc(l, func(a, b InUse) int {
		return cmp.Or(cmp.Compare(b.Seen, a.Seen), cmp.Compare(b.Began, a.Began), slices.Compare(a.ID[:], b.ID[:]))
	})
	*u = l[:min(len(l), maxInUse)]
}

// find is when a session was used last, 0 if it is not listed.
func (u Uses) find(id [16]byte) int64 {
	for i := range u {
		if u[i].ID == id {
			return u[i].Seen
		}
	}
	return 0
}

// Append is the stored form of one session.
func (x *InUse) Append(b []byte) []byte {
	b = append(b, x.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(x.Began))
	b = binary.BigEndian.AppendUint64(b, uint64(x.Seen))
	b = append(b, x.Cred[:]...)
	b = append(append(b, byte(len(x.From))), x.From...)
	return append(append(b, byte(len(x.With))), x.With...)
}

var errUses = errors.New("identity: damaged row of sessions in use")

// shortText reads a text that stands behind its length.
func shortText(b []byte) (text string, rest []byte, err error) {
	if len(b) == 0 || int(b[0]) > maxFrom || len(b) < 1+int(b[0]) {
		return "", nil, errUses
	}
	return string(b[1 : 1+b[0]]), b[1+b[0]:], nil
}

// DecodeInUse reads one session and gives what stands behind it.
func DecodeInUse(b []byte) (x InUse, rest []byte, err error) {
	if len(b) < 40 {
		return x, nil, errUses
	}
	x = InUse{ID: [16]byte(b), Began: int64(binary.BigEndian.Uint64(b[16:])), Seen: int64(binary.BigEndian.Uint64(b[24:])), Cred: [8]byte(b[32:])}
	if x.From, rest, err = shortText(b[40:]); err == nil {
		x.With, rest, err = shortText(rest)
	}
	return x, rest, err
}

// Encode is the stored form.
func (u Uses) Encode() (b []byte) {
	for i := range u {
		b = u[i].Append(b)
	}
	return b
}

// DecodeUses reads the stored form; nothing is none.
func DecodeUses(b []byte) (u Uses, err error) {
	for len(b) > 0 {
		var x InUse
		if x, b, err = DecodeInUse(b); err != nil || len(u) == maxInUse {
			return nil, errUses
		}
		u = append(u, x)
	}
	return u, nil
}

// mark is a session in use at this process; kept is the Seen that the store has.
type mark struct {
	Use
	kept int64
}

// CheckIdle names session_idle_min when it is no number of minutes that a session may
// go unused.
func CheckIdle(minutes int) error {
	var f faults
	if most := int(SessionLife / time.Minute); minutes < 0 || minutes > most {
		f.add("session_idle_min", fmt.Sprintf("write 0 for the default, or up to %d, after which every session is over", most), "is %d", minutes)
	}
	return errors.Join(f...)
}

// Idle sets how long a session may go unused; 0 is DefaultIdle.
func (s *Sessions) Idle(d time.Duration) *Sessions {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d > 0 {
		s.idle = d
	}
	return s
}

// IdleAfter is how long a session may go unused.
func (s *Sessions) IdleAfter() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle
}

// unused says whether a session that is proved went unused for too long: neither this
// process nor the store knows of a use since.
func (s *Sessions) unused(c *claims) bool {
	s.mu.Lock()
	last, idle, store := c.began, s.idle.Milliseconds(), s.store
	if m := s.marks[c.id]; m != nil {
		last = max(last, m.Seen)
	}
	s.mu.Unlock()
	now := s.now().UnixMilli()
	if now-last <= idle {
		return false
	}
	if store != nil {
		if u, err := store.InUse(c.user); err == nil {
			last = max(last, u.find(c.id))
		}
	}
	return now-last > idle
}

// used notes a use, and lets Run write a session that is new.
func (s *Sessions) used(c *claims, from, with string) {
	now := s.now().UnixMilli()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.marks[c.id]
	if m == nil {
		s.forgetLocked(now)
		m = &mark{Use: Use{c.user, InUse{ID: c.id, Began: c.began, Cred: c.cred}}}
		s.marks[c.id] = m
		select {
		case s.wake <- struct{}{}:
		default: // it is awake
		}
	}
	m.Seen = max(m.Seen, now)
	if from != "" {
		m.From, m.With = from[:min(len(from), maxFrom)], with[:min(len(with), maxFrom)]
	}
}

// forgetLocked makes room for one more.
func (s *Sessions) forgetLocked(now int64) {
	if len(s.marks) < maxMarks {
		return
	}
	var oldest *mark
	for id, m := range s.marks {
		if now-m.Seen > s.idle.Milliseconds() {
			delete(s.marks, id)
		} else if oldest == nil || m.Seen < oldest.Seen {
			oldest = m
		}
	}
	if len(s.marks) >= maxMarks {
		delete(s.marks, oldest.ID)
	}
}

// List are the sessions of an account that go on, the latest used first: those that
// the store knows and those in use at this process.
func (s *Sessions) List(user string) (Uses, error) {
	s.mu.Lock()
	store, ended, idle := s.store, s.ended[user], s.idle.Milliseconds()
	var here []InUse
	for _, m := range s.marks {
		if m.User == user {
			here = append(here, m.InUse)
		}
	}
	s.mu.Unlock()
	var all Uses
	var kept Ended
	if store != nil {
		var err error
		if all, err = store.InUse(user); err != nil {
			return nil, err
		}
		if kept, err = store.Ended(user); err != nil {
			return nil, err
		}
	}
	for _, x := range here {
		all.Note(x)
	}
	now := s.now()
	o, known := s.dir.OfficerByUser(user)
	return slices.DeleteFunc(slices.Clone(all), func(x InUse) bool {
		return !known || x.Cred != o.Cred || ended.Has(x.ID, x.Began) || kept.Has(x.ID, x.Began) || now.UnixMilli()-x.Seen > idle || now.Sub(time.UnixMilli(x.Began)) > SessionLife
	}), nil
}

// EndListed ends one session of an account that List names; false when it names none
// such. With all it ends every one, also those that are not listed.
func (s *Sessions) EndListed(ctx context.Context, user string, id [16]byte, all bool) (bool, error) {
	e := End{At: s.now().UnixMilli(), All: all}
	if !all {
		list, err := s.List(user)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(list, func(x InUse) bool { return x.ID == id })
		if i < 0 {
			return false, nil
		}
		e.ID, e.Began = id, list[i].Began
	}
	return true, s.end(ctx, user, e)
}

// Program is the kind of program that a User-Agent header names, out of a short list.
func Program(agent string) string {
	for _, x := range [][2]string{{"Edg/", "edge"}, {"OPR/", "opera"}, {"coc_coc_browser/", "coccoc"}, {"CocCoc", "coccoc"}, {"Firefox/", "firefox"}, {"Chrom", "chrome"}, {"Safari/", "safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, x[0]) {
			return x[1]
		}
	}
	return "program"
}

// This is the name under which List has the session of a token.
func (s *Sessions) This(token string) [16]byte {
	c, _ := s.open(token)
	return c.id
}

// Run writes to the store which sessions are in use, until ctx ends: a new one at once,
// then each time that a sixth of the idle time has passed. What cannot be written is
// tried again; until then the other nodes do not list it.
func (s *Sessions) Run(ctx context.Context) error {
	t := time.NewTicker(useEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-t.C:
		}
		s.write(ctx)
	}
}

func (s *Sessions) write(ctx context.Context) {
	s.mu.Lock()
	store := s.store
	now := s.now().UnixMilli()
	var due []Use
	for id, m := range s.marks {
		switch {
		case now-m.Seen > s.idle.Milliseconds():
			delete(s.marks, id)
		case m.kept == 0 || m.Seen-m.kept >= s.idle.Milliseconds()/6:
			due = append(due, m.Use)
		}
	}
	s.mu.Unlock()
	if store == nil {
		return
	}
	for part := range slices.Chunk(due, maxUses) {
		if store.Use(ctx, part) != nil {
			return // the next turn writes it; until then it is listed here alone
		}
		s.mu.Lock()
		for _, x := range part {
			if m := s.marks[x.ID]; m != nil {
				m.kept = x.Seen
			}
		}
		s.mu.Unlock()
	}
}
