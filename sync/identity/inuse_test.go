package identity

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"wardline/sync/record"
)

func lanEverywhere(now func() time.Time) (*oneAccount, Account, func() *Sessions) {
	a := Account{User: "lan", Role: WardOfficer, Unit: "ward/26704", Index: 1, Sealed: record.Sealed{Key: record.KeyID{1}}}
	dir := NewDirectory()
	src := &oneAccount{a: a}
	dir.UseAccounts(src)
	kept := newShelf()
	return src, a, func() *Sessions { return NewSessions(now, [32]byte{1}, dir).Keep(kept) }
}

// TestSessions_Unused_EndAfterTheIdleTime_UsedAtAnyNode_GoOn: the node that takes over
// knows from the store that the session was used at the one that died.
func TestSessions_Unused_EndAfterTheIdleTime_UsedAtAnyNode_GoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, node := lanEverywhere(time.Now)
		one, two := node(), node()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = one.Run(ctx) }()
		used, left := one.Start(a.Officer()), one.Start(a.Officer())
		for range 10 {
			if _, ok := one.Officer(used); !ok {
				t.Fatal("a session in use ended")
			}
			time.Sleep(DefaultIdle / 2)
		}
		if _, ok := two.Officer(used); !ok {
			t.Error("another node does not know that it was used")
		}
		for i, s := range []*Sessions{one, two} {
			if _, ok := s.Officer(left); ok {
				t.Errorf("node %d: a session that nobody used goes on", i)
			}
		}
		time.Sleep(DefaultIdle + DefaultIdle/6 + time.Minute)
		for i, s := range []*Sessions{one, two, node()} {
			if _, ok := s.Officer(used); ok {
				t.Errorf("node %d: the session outlived its idle time", i)
			}
		}
		if l, err := one.List("lan"); err != nil || len(l) != 0 {
			t.Errorf("%v %v", l, err)
		}
	})
}

// TestSessions_List_NamesThoseInUse_OfAllNodes_AndOneIsEnded
func TestSessions_List_NamesThoseInUse_OfAllNodes_AndOneIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, a, node := lanEverywhere(time.Now)
		one, two := node(), node()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = one.Run(ctx) }()
		first, second := one.Start(a.Officer()), two.Start(a.Officer())
		one.OfficerFrom(first, "10.0.0.9", "firefox")
		synctest.Wait() // a new session is written at once
		time.Sleep(time.Second)
		two.OfficerFrom(second, "2001:db8::/64", "chrome")
		list, err := two.List("lan")
		if err != nil || len(list) != 2 || list[0].ID != two.This(second) || list[1].From != "10.0.0.9" || list[1].With != "firefox" {
			t.Fatalf("%+v %v", list, err)
		}
		if l, err := two.List("minh"); err != nil || len(l) != 0 {
			t.Errorf("of somebody else: %v %v", l, err)
		}
		if ok, err := two.EndListed(ctx, "minh", list[1].ID, false); ok || err != nil {
			t.Errorf("another account ended it: %v %v", ok, err)
		}
		if ok, err := two.EndListed(ctx, "lan", list[1].ID, false); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, ok := one.Officer(first); ok {
			t.Error("the session that was ended goes on")
		}
		if _, ok := one.Officer(second); !ok {
			t.Error("the other one ended")
		}
		if l, err := two.List("lan"); err != nil || len(l) != 1 {
			t.Errorf("%v %v", l, err)
		}
		src.a.Sealed.Key = record.KeyID{2} // a new password
		if l, err := two.List("lan"); err != nil || len(l) != 0 {
			t.Errorf("a session under the old password is listed: %v %v", l, err)
		}
		src.a.Sealed.Key = record.KeyID{1}
		if ok, err := one.EndListed(ctx, "lan", [16]byte{}, true); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, ok := two.Officer(second); ok {
			t.Error("all were ended, and one goes on")
		}
	})
}

// TestUses_ManySessions_TakeBoundedRoom_TheLatestStay
func TestUses_ManySessions_TakeBoundedRoom_TheLatestStay(t *testing.T) {
	var u Uses
	long := string(make([]byte, 300))
	for i := range 200 {
		u.Note(InUse{ID: [16]byte{byte(i)}, Began: 1000, Seen: int64(2000 + i), From: long, With: long})
		if len(u) > maxInUse || u[0].ID[0] != byte(i) {
			t.Fatalf("after %d: %d, first %d", i, len(u), u[0].ID[0])
		}
	}
	u.Note(InUse{ID: [16]byte{190}, Began: 1000, Seen: 5}) // comes late
	if u.find([16]byte{190}) != 2190 {
		t.Error("a late word made a session older")
	}
	back, err := DecodeUses(u.Encode())
	if err != nil || !reflect.DeepEqual(back, u) {
		t.Errorf("%v", err)
	}
	u.Note(InUse{ID: [16]byte{1}, Began: 2000 + SessionLife.Milliseconds(), Seen: 2000 + SessionLife.Milliseconds()})
	if len(u) != 1 {
		t.Errorf("what has run out anyway is listed: %d", len(u))
	}
	s := NewSessions(time.Now, [32]byte{1}, NewDirectory())
	for i := range 3 * maxMarks {
		s.used(&claims{id: [16]byte{byte(i), byte(i >> 8)}, user: "lan", began: time.Now().UnixMilli()}, "10.0.0.9", "curl")
	}
	if len(s.marks) > maxMarks {
		t.Errorf("%d are remembered", len(s.marks))
	}
}

func FuzzDecodeUses(f *testing.F) {
	u := Uses{{ID: [16]byte{1}, Began: 5, Seen: 6, From: "10.0.0.9", With: "curl"}}
	f.Add(u.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, err := DecodeUses(b); err == nil && string(u.Encode()) != string(b) {
			t.Error("read and written is something else")
		}
	})
}

func TestProgram_IsOneOfAFew(t *testing.T) {
	for agent, want := range map[string]string{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "firefox", "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/140 Safari/537.36": "chrome",
		"Mozilla/5.0 AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140": "edge", "curl/8.5": "curl", "<script>": "program", "": "program"} {
		if got := Program(agent); got != want {
			t.Errorf("%q: %s", agent, got)
		}
	}
}
