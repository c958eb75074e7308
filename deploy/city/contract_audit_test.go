package city

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// verified verifies an answer's body with the key that the city published.
func verified(t *testing.T, raw []byte, pin string) (*audit.Result, error) {
	t.Helper()
	p, err := audit.ParsePin(pin)
	if err != nil {
		t.Fatal(err)
	}
	return audit.VerifyFile(context.Background(), bytes.NewReader(raw), audit.Options{Pin: p})
}

// audit asks a real city for proofs and exports, and holds them to each other
// and to the log as it is listed.
func (h *held) audit() {
	t, base := h.t, h.coreURL(1)
	id := h.routed(base)
	var key struct {
		Key, Fingerprint string
		Statements       []string
	}
	for i := range h.cores { // one key at all nodes
		var k struct {
			Key, Fingerprint string
			Statements       []string
		}
		h.into(h.ask(200, h.coreURL(i), identity.Auditor, "GET", "/api/v1/log/key", ""), &k)
		if key.Key != "" && k.Key != key.Key {
			t.Errorf("another key at %s", h.coreURL(i))
		}
		key = k
	}
	parsed, err := audit.ParseKey(key.Key)
	if err != nil || parsed.Fingerprint() != key.Fingerprint {
		t.Fatal(err)
	}
	checkpoint := h.ask(200, base, identity.Auditor, "GET", "/api/v1/log/checkpoint", "")
	early, err := parsed.OpenCheckpoint(checkpoint.body)
	if err != nil {
		t.Fatal(err)
	}
	export := h.ask(200, base, identity.Auditor, "GET", "/api/v1/log/export", "")
	res, err := verified(t, export.body, key.Fingerprint)
	if err != nil || res.Entries < early.Size || !res.Pinned {
		t.Fatal(res, err)
	}
	if _, err := verified(t, export.body, strings.Repeat("0", 64)); err == nil {
		t.Error("another city's key passed")
	}
	var f *audit.Fault
	for _, at := range []int{len(export.body) / 3, len(export.body) / 2, len(export.body) - 50} {
		changed := bytes.Clone(export.body)
		changed[at] ^= 4
		if _, err := verified(t, changed, key.Key); !errors.As(err, &f) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	evidence := h.ask(200, base, identity.Auditor, "GET", "/api/v1/incidents/"+id+"/evidence", "")
	one, err := verified(t, evidence.body, key.Fingerprint)
	if err != nil || one.Incident.String() != id || one.Files != 4 {
		t.Fatal(one, err)
	}
	h.proofs(base, early, res.Checkpoint)

	paths := []string{"/api/v1/log/key", "/api/v1/log/checkpoint", "/api/v1/log/inclusion?index=1", "/api/v1/log/consistency?from=1", "/api/v1/log/export", "/api/v1/incidents/" + id + "/evidence"}
	for _, p := range paths {
		h.ask(404, h.stationURL(), identity.Auditor, "GET", p, "")
		h.ask(401, base, "", "GET", p, "")
		h.ask(403, base, identity.CommandOfficer, "GET", p, "")
	}
	h.ask(404, base, identity.Auditor, "GET", "/api/v1/incidents/"+newID()+"/evidence", "")
	h.ask(400, base, identity.Auditor, "GET", "/api/v1/incidents/x/evidence", "")
	for _, q := range []string{"inclusion", "inclusion?index=0", "inclusion?index=1&size=x", "inclusion?index=9&size=5", "inclusion?index=1&size=99999999", "consistency", "consistency?from=9&size=5"} {
		h.ask(400, base, identity.Auditor, "GET", "/api/v1/log/"+q, "")
	}

	// The log's key turns, and an export leads from the one that was published to the next.
	h.ask(200, base, identity.Administrator, "POST", "/api/v1/machines", `{"op":"log-key"}`)
	h.ask(200, base, identity.Auditor, "GET", "/api/v1/log/key", "")
	export = h.ask(200, base, identity.Auditor, "GET", "/api/v1/log/export", "")
	if res, err := verified(t, export.body, key.Fingerprint); err != nil || res.Since != 1 {
		t.Errorf("%+v (%v)", res, err)
	}
}

// proofs holds single proofs to checkpoints, at a node that signed neither.
func (h *held) proofs(base string, early, late audit.Checkpoint) {
	t := h.t
	other := h.coreURL(2)
	var p struct {
		Index, From, Size uint64
		Leaf              record.Hash
		Hashes            []record.Hash
	}
	hashes := func() (out []tlog.Hash) {
		for _, x := range p.Hashes {
			out = append(out, tlog.Hash(x))
		}
		return out
	}
	h.into(h.ask(200, other, identity.Auditor, "GET", fmt.Sprintf("/api/v1/log/consistency?from=%d&size=%d", early.Size, late.Size), ""), &p)
	if err := tlog.CheckTree(hashes(), int64(late.Size), late.Root, int64(early.Size), early.Root); err != nil {
		t.Errorf("%d to %d: %v", early.Size, late.Size, err)
	}
	var list struct {
		Items []struct {
			Index uint64
			Hash  record.Hash
			Kind  string
		}
	}
	h.into(h.ask(200, base, identity.Auditor, "GET", "/api/v1/entries?limit=3", ""), &list)
	for _, e := range list.Items {
		h.into(h.ask(200, other, identity.Auditor, "GET", fmt.Sprintf("/api/v1/log/inclusion?index=%d&size=%d", e.Index, late.Size), ""), &p)
		leaf := tlog.RecordHash(append(e.Hash[:], e.Kind...)) // as an outsider computes it
		if err := tlog.CheckRecord(hashes(), int64(late.Size), late.Root, int64(e.Index)-1, leaf); err != nil || tlog.Hash(p.Leaf) != leaf {
			t.Errorf("entry %d: %v", e.Index, err)
		}
	}
}
