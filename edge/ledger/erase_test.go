package ledger

import (
	"errors"
	"fmt"
	"testing"

	"wardline/sync/record"
)

// put appends a sealed note about an incident.
func put(t testing.TB, l *Ledger, incident record.ID, n int, wrapper byte) (pos uint64, key record.KeyID) {
	t.Helper()
	s, _, err := record.Seal([]byte("note"))
	if err != nil {
		t.Fatal(err)
	}
	b := record.Body{ID: record.DerivedID("note", incident[:], fmt.Append(nil, n)), Incident: incident, Kind: record.KindNote, Origin: origin, HLC: l.Clock().Now(),
		Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: "ward/26704"}, Payload: record.Payload{Sealed: &s}}
	done := make(chan Result, 1)
	l.Submit(Append{Lane: record.Urgent, Body: b, Keys: []record.WrappedKey{{Key: s.Key, Wrapper: [8]byte{wrapper}, Blob: make([]byte, 60)}}}, func(r Result, err error) {
		if err != nil {
			t.Error(err)
		}
		done <- r
	})
	return (<-done).Position, s.Key
}

func wrapperOf(t testing.TB, l *Ledger, pos uint64, id record.KeyID) (wrapper byte, there bool) {
	t.Helper()
	k, err := l.Key(pos, id)
	if err != nil {
		t.Fatal(err)
	}
	if k == nil {
		return 0, false
	}
	return k.Wrapper[0], true
}

// TestLedger_Forget_DeletesTheKeysOfOneIncident, own ones and those from the city, and
// leaves what the caller does not name.
func TestLedger_Forget_DeletesTheKeysOfOneIncident(t *testing.T) {
	l := mustOpen(t, t.TempDir()).Ledger
	type part struct {
		pos uint64
		id  record.KeyID
	}
	var gone, stays []part
	for n := range 700 { // more than one step takes
		pos, id := put(t, l, record.ID{1}, n, 1)
		gone = append(gone, part{pos, id})
		if n%7 == 0 {
			pos, id = put(t, l, record.ID{2}, n, 1)
			stays = append(stays, part{pos, id})
		}
	}
	s, _, err := record.Seal([]byte("from the city"))
	if err != nil {
		t.Fatal(err)
	}
	body := record.Body{ID: record.ID{3}, Incident: record.ID{1}, Kind: record.KindNote, Origin: record.CoreOrigin, Payload: record.Payload{Sealed: &s}}
	raw, err := body.Encode()
	if err != nil {
		t.Fatal(err)
	}
	link := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, Seq: 1}
	if err := l.Foreign(Foreign{Entries: []CityEntry{{7, record.Entry{Link: link, Body: raw}}}, Keys: []record.WrappedKey{{Key: s.Key, Wrapper: [8]byte{1}, Blob: make([]byte, 60)}}}); err != nil {
		t.Fatal(err)
	}
	gone = append(gone, part{l.Position(), s.Key})
	if err := l.Forget(record.ID{1}, func(*record.Body) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if _, there := wrapperOf(t, l, gone[0].pos, gone[0].id); !there {
		t.Fatal("a key is gone that nobody named")
	}
	if err := l.Forget(record.ID{1}, func(*record.Body) bool { return true }); err != nil {
		t.Fatal(err)
	}
	for _, p := range gone {
		if _, there := wrapperOf(t, l, p.pos, p.id); there {
			t.Fatalf("the key of the entry at %d is still there", p.pos)
		}
	}
	for _, p := range stays {
		if _, there := wrapperOf(t, l, p.pos, p.id); !there {
			t.Fatalf("the key of another incident's entry at %d is gone", p.pos)
		}
	}
}

// TestLedger_Rewrap_ReachesEveryKey, and an entry that was wrapped before the turn
// and comes after it is stored with the new key, or is refused for now.
func TestLedger_Rewrap_ReachesEveryKey(t *testing.T) {
	known := true
	current := byte(1)
	l := mustOpen(t, t.TempDir(), func(o *Options) {
		o.Fresh = func(k record.WrappedKey) (record.WrappedKey, error) {
			if k.Wrapper[0] != current && !known {
				return k, record.ErrSealed
			}
			k.Wrapper[0] = current
			return k, nil
		}
	}).Ledger
	type part struct {
		pos uint64
		id  record.KeyID
	}
	var all []part
	for n := range 2500 {
		pos, id := put(t, l, record.ID{1}, n, 1)
		all = append(all, part{pos, id})
	}
	done := make(chan struct{})
	l.Decide(record.Urgent, func(View) ([]Append, any, error) { current = 2; return nil, nil, nil }, func(any, []Result, error) { close(done) })
	<-done
	pos, id := put(t, l, record.ID{1}, 9000, 1)
	all = append(all, part{pos, id})
	keys := 0
	for from := []byte(nil); ; {
		r, err := l.Rewrap(from, func(k record.WrappedKey) (record.WrappedKey, bool, error) {
			changed := k.Wrapper[0] != 2
			k.Wrapper[0] = 2
			return k, changed, nil
		})
		if err != nil || r.Lost > 0 {
			t.Fatal(err, r.Lost)
		}
		keys += r.Keys
		if from = r.Next; from == nil {
			break
		}
	}
	if keys != 2500 {
		t.Errorf("%d keys were wrapped anew", keys)
	}
	for _, p := range all {
		if w, there := wrapperOf(t, l, p.pos, p.id); !there || w != 2 {
			t.Fatalf("the key at %d: %v, wrapper %d", p.pos, there, w)
		}
	}
	l.Decide(record.Urgent, func(View) ([]Append, any, error) { known = false; return nil, nil, nil }, func(any, []Result, error) {})
	b := record.Body{ID: record.ID{5}, Kind: record.KindStatus, Origin: origin, HLC: l.Clock().Now()}
	failed := make(chan error, 1)
	l.Submit(Append{Lane: record.Urgent, Body: b, Keys: []record.WrappedKey{{Wrapper: [8]byte{1}, Blob: make([]byte, 60)}}}, func(_ Result, err error) { failed <- err })
	if err := <-failed; !errors.Is(err, ErrBusy) {
		t.Errorf("a key that cannot be kept: %v", err)
	}
}
