package core

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"wardline/sync/api"
	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

func (x *testNode) logKey() audit.Key {
	x.t.Helper()
	k, _, _, err := backend{x.n}.LogKey()
	if err != nil {
		x.t.Fatal(err)
	}
	return k
}

func (x *testNode) turnLog() {
	x.t.Helper()
	if _, err := x.order(api.MachineChange{Op: trust.OpLogKey}); err != nil {
		x.t.Fatal(err)
	}
}

// signatures of a checkpoint that is signed now.
func (x *testNode) signatures() (list []string) {
	x.t.Helper()
	s, err := backend{x.n}.signNow(context.Background())
	if err != nil {
		x.t.Fatal(err)
	}
	for _, l := range bytes.Split(s.Note, []byte("\n")) {
		if bytes.HasPrefix(l, []byte("— ")) {
			list = append(list, string(l))
		}
	}
	return list
}

// logKeyTurned: an auditor who pinned the first key, and
// kept a checkpoint of then, verifies exports of any node after two turns; another city's key is refused.
func logKeyTurned(t *testing.T, nodes []*testNode) {
	nodes[0].mustReport(1, record.Fire)
	first := nodes[0].logKey()
	_, early, err := backend{nodes[0].n}.Checkpoint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	nodes[1].turnLog()
	nodes[1].mustReport(2, record.Crime)
	second := nodes[1].logKey()
	nodes[2].turnLog()
	nodes[2].mustReport(3, record.Fire)
	same(t, nodes)
	third := nodes[0].logKey()
	if first.Fingerprint() == second.Fingerprint() || second.Fingerprint() == third.Fingerprint() {
		t.Fatal("the key did not turn")
	}
	for _, x := range nodes {
		raw := x.export()
		by := identity.Officer{User: "auditor", Role: identity.Auditor, Unit: record.Command}
		zip, err := backend{x.n}.Evidence(context.Background(), by, record.DerivedID("core-test", []byte("1")))
		if err != nil {
			t.Fatal(err)
		}
		for since, k := range []audit.Key{third, second, first} {
			pin, err := audit.ParsePin(k.Fingerprint())
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range [][]byte{raw, zip} {
				res, err := audit.VerifyFile(context.Background(), bytes.NewReader(file), audit.Options{Pin: pin, Earlier: [][]byte{early}})
				if err != nil || !res.Pinned || res.Since != since {
					t.Fatalf("%s, pinned %d keys ago: %+v (%v)", x.c.ID, since, res, err)
				}
			}
		}
		stranger, err := audit.ParsePin("00" + first.Fingerprint()[2:])
		if err != nil {
			t.Fatal(err)
		}
		var f *audit.Fault
		if _, err := audit.VerifyFile(context.Background(), bytes.NewReader(raw), audit.Options{Pin: stranger}); !errors.As(err, &f) {
			t.Errorf("a key that is in no succession: %v", err)
		}
	}
	// A node that starts again opens the checkpoints that it signed with each of the keys.
	nodes[0].stop()
	nodes[0].start()
	if _, ok := nodes[0].n.proofs.Last(); !ok {
		t.Error("the last checkpoint is forgotten")
	}
}

// TestLogKey_Overlap_BothSign_ThenTheNewOneAlone: who knows the old key alone reads checkpoints
// for five weeks of the city's time.
func TestLogKey_Overlap_BothSign_ThenTheNewOneAlone(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	var off atomic.Int64
	x.c.Wall = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	x.start()
	x.mustReport(1, record.Fire)
	old := x.logKey()
	waitFor(t, "the city's time", func() bool { return x.n.machine.CityTime() > 0 })
	x.turnLog()
	x.mustReport(2, record.Fire)
	if n := len(x.signatures()); n != 2 {
		t.Fatalf("%d signatures during the overlap", n)
	}
	s, err := backend{x.n}.signNow(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(old.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(s.Note, note.VerifierList(v)); err != nil {
		t.Errorf("by the old key alone: %v", err)
	}
	turned := x.n.machine.CityTime()
	off.Store(int64(3 * logOverlap))
	waitFor(t, "five weeks", func() bool {
		return x.n.machine.CityTime()-turned > logOverlap.Milliseconds()+time.Minute.Milliseconds()
	})
	x.mustReport(3, record.Fire)
	if n := len(x.signatures()); n != 1 {
		t.Errorf("%d signatures after it", n)
	}
	if _, err := x.verify(x.export()); err != nil {
		t.Error(err)
	}
}
