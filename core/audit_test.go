package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

func (x *testNode) export() []byte {
	x.t.Helper()
	var out bytes.Buffer
	if err := (backend{x.n}).ExportLog(context.Background(), &out); err != nil {
		x.t.Fatal(err)
	}
	return out.Bytes()
}

func (x *testNode) verify(raw []byte, earlier ...[]byte) (*audit.Result, error) {
	x.t.Helper()
	key, _, _, err := backend{x.n}.LogKey()
	if err != nil {
		x.t.Fatal(err)
	}
	pin, err := audit.ParsePin(key.Fingerprint())
	if err != nil {
		x.t.Fatal(err)
	}
	return audit.VerifyFile(context.Background(), bytes.NewReader(raw), audit.Options{Pin: pin, Earlier: earlier})
}

func exportIsWhole(t *testing.T, nodes []*testNode) {
	for i := range 40 {
		nodes[i%3].mustReport(i, []record.Category{record.Fire, record.Feedback}[i%2])
	}
	early, note, err := backend{nodes[0].n}.Checkpoint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	nodes[0].mustReport(40, record.Crime)
	raw := nodes[1].export()
	// Any node's export, held to another node's key and earlier checkpoint.
	res, err := nodes[2].verify(raw, note)
	if err != nil || res.Entries <= early.Size || res.Entries < 41 || !res.Pinned {
		t.Fatal(res, err)
	}
	var f *audit.Fault
	for at := 100; at < len(raw); at += 499 {
		raw[at] ^= 0x20
		if _, err := nodes[2].verify(raw); !errors.As(err, &f) {
			t.Fatalf("byte %d: %v", at, err)
		}
		raw[at] ^= 0x20
	}
	id := record.DerivedID("core-test", []byte("7"))
	at := bytes.Index(raw, id[:])
	raw[at] ^= 1
	rows, err := nodes[0].n.machine.Incident(id)
	if err != nil || len(rows) == 0 {
		t.Fatal(err)
	}
	if _, err := nodes[2].verify(raw); !errors.As(err, &f) || f.First != rows[0].Index {
		t.Fatalf("entry %d was changed: %v", rows[0].Index, err)
	}

	evidence, err := backend{nodes[2].n}.Evidence(context.Background(), identity.Officer{User: "auditor"}, id)
	if err != nil {
		t.Fatal(err)
	}
	one, err := nodes[0].verify(evidence)
	if err != nil || one.Incident != id || one.Entries != uint64(len(rows)) {
		t.Fatal(one, err)
	}
	if bytes.Contains(evidence, []byte("khói ở tầng hai")) || !bytes.Contains(evidence, []byte("niêm phong")) {
		t.Error("a sealed part is not sealed in the evidence")
	}
}

func TestExport_AfterARestartAndALostTree_GrewOutOfTheEarlierCheckpoint(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	x.start()
	for i := range 300 {
		x.mustReport(i, record.Feedback)
	}
	first := x.export()
	early, note, err := backend{x.n}.Checkpoint(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	x.stop()
	x.start()
	x.mustReport(300, record.Feedback)
	again, _, err := backend{x.n}.Checkpoint(context.Background())
	if err != nil || again.Size < early.Size {
		t.Fatal(again, err)
	}
	x.stop()
	if err := os.RemoveAll(filepath.Join(x.c.Dir, "proof")); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.mustReport(301, record.Feedback)
	res, err := x.verify(x.export(), note)
	if err != nil || res.Checkpoint.Size <= early.Size {
		t.Fatal(res, err)
	}
	p, err := backend{x.n}.Consistency(context.Background(), early.Size, res.Checkpoint.Size)
	if err != nil || tlog.CheckTree(p, int64(res.Checkpoint.Size), res.Checkpoint.Root, int64(early.Size), early.Root) != nil {
		t.Fatal(err)
	}
	if _, err := x.verify(first, note); err != nil {
		t.Fatal(err)
	}
}

// A node whose state is not the one of which it signed signs nothing more, raises
// an alarm, and still gives the file that shows it.
func TestExport_StateThatIsNotTheSignedOne_SaysWhichEntries(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	x.start()
	for i := range 20 {
		x.mustReport(i, record.Fire)
	}
	x.export()
	signed, _ := x.n.proofs.Last()
	signed.Root[3] ^= 1 // as if it had been signed of another state
	note, err := x.n.proofs.keys.Sign(signed.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	x.stop()
	if err := os.WriteFile(filepath.Join(x.c.Dir, "proof", "checkpoint"), note, 0o600); err != nil {
		t.Fatal(err)
	}
	x.start()
	x.mustReport(20, record.Fire)
	waitFor(t, "the contradiction to be found", func() bool { return x.n.proofs.Failed() != nil })
	var f *audit.Fault
	if _, err := x.verify(x.export()); !errors.As(err, &f) || f.Last != signed.Size {
		t.Fatal(err)
	}
	waitFor(t, "the alarm in the city's log", func() bool {
		rows, err := x.n.machine.After(signed.Size, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Listed == record.KindAlarm && strings.Contains(string(r.Body.Payload.Data), fmt.Sprintf("entries up to %d", signed.Size)) {
				return true
			}
		}
		return false
	})
}
