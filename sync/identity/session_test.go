package identity

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"wardline/sync/record"
)

// shelf is a store of sessions that all nodes share.
type shelf struct {
	mu   *sync.Mutex // guards rows
	rows map[string][]byte
}

func newShelf() shelf { return shelf{new(sync.Mutex), map[string][]byte{}} }

func (s shelf) Ended(user string) (Ended, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return DecodeEnded(s.rows[user])
}

func (s shelf) InUse(user string) (Uses, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return DecodeUses(s.rows["use/"+user])
}

func (s shelf) Use(_ context.Context, uses []Use) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range uses {
		u, err := DecodeUses(s.rows["use/"+x.User])
		if err != nil {
			return err
		}
		u.Note(x.InUse)
		s.rows["use/"+x.User] = u.Encode()
	}
	return nil
}

func (s shelf) End(_ context.Context, user string, e End) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := DecodeEnded(s.rows[user])
	d.Add(e)
	s.rows[user] = d.Encode()
	return err
}

// TestSessions_Ended_AreOverAtEveryNode_AlsoWithANewPassword: a session that somebody
// stole is worth nothing after the log-out, wherever it is tried.
func TestSessions_Ended_AreOverAtEveryNode_AlsoWithANewPassword(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	clock := func() time.Time { return now }
	a := Account{User: "lan", Role: WardOfficer, Unit: "ward/26704", Index: 1, Sealed: record.Sealed{Key: record.KeyID{1}}}
	src := &oneAccount{a: a}
	dir := NewDirectory()
	dir.UseAccounts(src)
	kept := newShelf()
	one, two := NewSessions(clock, [32]byte{1}, dir).Keep(kept), NewSessions(clock, [32]byte{1}, dir).Keep(kept)
	first, second := one.Start(a.Officer()), two.Start(a.Officer())
	if first == second {
		t.Fatal("two sessions have one token")
	}
	now = now.Add(time.Minute)
	if err := one.End(t.Context(), first, false); err != nil {
		t.Fatal(err)
	}
	for i, s := range []*Sessions{one, two} {
		if _, ok := s.Officer(first); ok {
			t.Errorf("node %d: the ended session goes on", i)
		}
		if _, ok := s.Officer(second); !ok {
			t.Errorf("node %d: another session of the account ended with it", i)
		}
	}
	if err := two.End(t.Context(), second, true); err != nil {
		t.Fatal(err)
	}
	if _, ok := one.Officer(second); ok {
		t.Error("all were ended, and one goes on")
	}
	now = now.Add(time.Second)
	third := one.Start(a.Officer())
	if _, ok := two.Officer(third); !ok {
		t.Fatal("nobody can log in any more")
	}
	src.a.Sealed.Key = record.KeyID{2} // a new password
	if _, ok := two.Officer(third); ok {
		t.Error("a session outlived its password")
	}
	src.a.Sealed.Key = record.KeyID{1}
	src.a.Disabled = true
	if _, ok := two.Officer(third); ok {
		t.Error("a session outlived its account")
	}
}

// TestEnded_ManyEnds_TakeBoundedRoomAndForgetNone of those that could still be used.
func TestEnded_ManyEnds_TakeBoundedRoomAndForgetNone(t *testing.T) {
	var d Ended
	var ends []End
	for i := range 200 {
		e := End{ID: [16]byte{byte(i), 1}, Began: int64(1000 + i), At: int64(2000 + i)}
		d.Add(e)
		d.Add(e)
		ends = append(ends, e)
		if len(d.List) > maxEnded {
			t.Fatalf("%d are listed", len(d.List))
		}
		for _, x := range ends {
			if !d.Has(x.ID, x.Began) {
				t.Fatalf("after %d ends, %v goes on", i+1, x)
			}
		}
	}
	back, err := DecodeEnded(d.Encode())
	if err != nil || !reflect.DeepEqual(back, d) {
		t.Errorf("%+v\n%+v\n%v", back, d, err)
	}
	if d.Has([16]byte{9}, 5000) {
		t.Error("a session that nobody ended is over")
	}
	d.Add(End{At: 1300 + SessionLife.Milliseconds(), ID: [16]byte{7}, Began: 1300 + SessionLife.Milliseconds() - 5})
	if len(d.List) != 1 {
		t.Errorf("what has run out anyway is remembered: %d", len(d.List))
	}
}

func FuzzDecodeEnded(f *testing.F) {
	var d Ended
	d.Add(End{ID: [16]byte{1}, Began: 5, At: 6})
	f.Add(d.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := DecodeEnded(b); err == nil && len(b) > 0 && string(d.Encode()) != string(b) {
			t.Error("read and written is something else")
		}
	})
}

func TestThrottle_Guessing_IsSlowed_TheKnownDeskIsNot_AndRoomIsBounded(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	clock := func() time.Time { return now }
	th := NewThrottle(clock)
	s := NewSessions(clock, [32]byte{1}, NewDirectory())
	desk, known := s.Desk(s.NewDesk())
	if !known {
		t.Fatal("a desk's proof is not believed")
	}
	guesses := 0
	for end := now.Add(time.Hour); now.Before(end); now = now.Add(100 * time.Millisecond) {
		if th.Take("lan", "10.0.0.9") == 0 {
			guesses++
		}
	}
	if guesses > 75 || guesses < 50 {
		t.Errorf("%d guesses in an hour, at most one a minute once it is slow", guesses)
	}
	if w := th.Take("LAN", "10.0.0.9"); w <= 0 || w > maxDelay {
		t.Errorf("the attacker waits %s", w)
	}
	for range 3 {
		if w := th.Take("lan", desk); w != 0 {
			t.Fatalf("the desk on duty waits %s for somebody else's guesses", w)
		}
	}
	th.Passed("lan", desk)
	if w := th.Take("minh", "10.0.0.9"); w != 0 {
		t.Errorf("another account waits %s", w)
	}
	for i := range 3 * maxTried {
		th.Take("lan", fmt.Sprint("source ", i))
	}
	if n := th.order.Len(); n > maxTried || len(th.byKey) != n {
		t.Errorf("%d are remembered", n)
	}
	now = now.Add(DeskLife)
	if _, known := s.Desk(s.NewDesk()[1:]); known {
		t.Error("a changed proof is believed")
	}
}

func TestSource_OneHouse_IsOneSource(t *testing.T) {
	for addr, want := range map[string]string{"10.1.2.3:99": "10.1.2.3", "[2001:db8:1:2:3::4]:99": "2001:db8:1:2::/64", "[::ffff:10.1.2.3]:1": "10.1.2.3", "nonsense": "?"} {
		if got := Source(addr); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}
