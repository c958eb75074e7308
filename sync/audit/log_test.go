package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/record"
)

// city is a log that a city might have, made from a seed.
type city struct {
	signer  *Signer
	node    ed25519.PrivateKey
	entries []Entry
}

func mustCity(t testing.TB, seed uint64, n int) *city {
	t.Helper()
	one, two := [32]byte{1}, [32]byte{2}
	s, err := NewSigner(ed25519.NewKeyFromSeed(one[:]))
	if err != nil {
		t.Fatal(err)
	}
	c := &city{signer: s, node: ed25519.NewKeyFromSeed(two[:])}
	r := rand.New(rand.NewPCG(seed, 1))
	heads := map[record.ChainID]*record.Link{}
	hashes := map[record.ChainID]record.Hash{}
	origins := []record.Origin{"ward-26704", "ward-27031", record.CoreOrigin}
	lives := map[record.Origin]record.Incarnation{"ward-26704": 7, "ward-27031": 9, record.CoreOrigin: 1}
	last := map[record.Origin]map[record.LaneID]record.Head{}
	for i := range n {
		o := origins[r.IntN(len(origins))]
		lane := record.LaneID(1 + r.IntN(2))
		if o == record.CoreOrigin {
			lane = record.CityLog
		} else if r.IntN(40) == 0 {
			lives[o] = record.Incarnation(r.Uint64())
		}
		id := record.ChainID{Origin: o, Incarnation: lives[o], Lane: lane}
		b := record.Body{ID: record.DerivedID("audit-test", fmt.Append(nil, seed, i)), Kind: record.KindReport, Origin: o, Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"},
			HLC: record.HLCAt(1_790_000_000_000 + int64(i)), ReceivedAt: 1_790_000_000_000 + int64(i)}
		b.Incident = record.DerivedID("incident", fmt.Append(nil, i/5))
		b.Payload.Report, b.Payload.Category = b.Incident, record.Fire
		listed := record.KindReport
		if i%5 > 0 {
			listed = record.KindRepeat
			if r.IntN(2) == 0 {
				b.Kind, listed, b.Payload.Report = record.KindNote, record.KindNote, record.ID{}
				b.Payload.Data = make([]byte, r.IntN(300))
			}
		}
		raw, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		l := record.Link{Origin: o, Incarnation: id.Incarnation, Lane: lane, Seq: 1, HLC: b.HLC}
		if h := heads[id]; h != nil {
			l.Seq, l.Prev = h.Seq+1, hashes[id]
		} else if p, ok := last[o][lane]; ok {
			l.Pred = p
		}
		e := Entry{Index: uint64(i + 1), Listed: listed, Entry: record.Entry{Link: l, Body: raw}}
		heads[id], hashes[id] = &l, e.Hash()
		if last[o] == nil {
			last[o] = map[record.LaneID]record.Head{}
		}
		last[o][lane] = e.Head()
		c.entries = append(c.entries, e)
	}
	return c
}

func (c *city) statement(t testing.TB) []byte {
	t.Helper()
	n, err := c.signer.StateKey(Statement{"core-1", c.node.Public().(ed25519.PublicKey)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c *city) checkpoint(t testing.TB, cp Checkpoint) []byte {
	t.Helper()
	n, err := c.signer.SignCheckpoint(cp)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c *city) receipt(chain record.ChainID, seq record.Seq, hash record.Hash, index uint64) record.Receipt {
	r := record.Receipt{Chain: chain, Seq: seq, Hash: hash, CityIndex: index, At: 1_790_000_100_000, Node: "core-1"}
	r.Sign(c.node)
	return r
}

// export writes the whole log with a checkpoint after every so many entries.
func (c *city) export(t testing.TB, every int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewLog(&out, c.signer.Key, [][]byte{c.statement(t)})
	for i := range c.entries {
		w.Add(&c.entries[i])
		if (i+1)%every == 0 && i+1 < len(c.entries) {
			w.Checkpoint(c.checkpoint(t, Checkpoint{w.Size(), w.Root(), int64(1_790_000_000_000 + i)}))
		}
	}
	w.Checkpoint(c.checkpoint(t, Checkpoint{w.Size(), w.Root(), 1_790_000_200_000}))
	w.Receipts(func(id record.ChainID, seq record.Seq, hash record.Hash) record.Receipt {
		return c.receipt(id, seq, hash, uint64(len(c.entries)))
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// stride is how many of all changes a test goes on by: every one, in the short form and under
// the race detector some. That makes a signature ten times as slow, and there is one goroutine: what
// it may find, few changes show; all of them are for `go test` without it, as `make drill` runs it.
// Odd, so that no field and no bit is always passed over.
func stride(short, raced int) int {
	switch {
	case os.Getenv("WARDLINE_LONG") != "":
		return 1
	case testing.Short():
		return short
	case raceDetector():
		return raced
	}
	return 1
}

// raceDetector says whether this binary was built with it.
func raceDetector() bool {
	b, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(b.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// readers are for verify: under the race detector a fresh buffer for each of ten thousand exports
// costs more than what is done with it. The verifier takes a buffered reader as it is.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func verify(raw []byte, o Options) (*Result, error) {
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(bytes.NewReader(raw))
	return Verify(context.Background(), r, o)
}

// part is one frame of an export.
type part struct {
	kind    byte
	content []byte
}

func split(t testing.TB, raw []byte) (parts []part) {
	t.Helper()
	f := newFrames(bytes.NewReader(raw))
	for {
		kind, content, err := f.next()
		if err != nil {
			break
		}
		parts = append(parts, part{kind, bytes.Clone(content)})
	}
	if parts[len(parts)-1].kind != frameEnd {
		t.Fatal("not split to the end")
	}
	return parts
}

func join(parts []part) []byte {
	out := []byte(magic)
	for _, p := range parts {
		out = appendFrame(out, p.kind, p.content)
	}
	return out
}

// incident writes the proof of the log's entries, which are all about one incident.
func (c *city) incident(t testing.TB, id record.ID, cp Checkpoint) []byte {
	t.Helper()
	return c.some(t, id, cp, c.entries)
}

// some is incident with some of the entries.
func (c *city) some(t testing.TB, id record.ID, cp Checkpoint, entries []Entry) []byte {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, _ error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i := range c.entries {
		more, err := tlog.StoredHashesForRecordHash(int64(i), c.entries[i].Leaf(), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
	}
	var out bytes.Buffer
	w := NewIncident(&out, c.signer.Key, [][]byte{c.statement(t)}, id, c.checkpoint(t, cp))
	for i := range entries {
		e := &entries[i]
		p, err := tlog.ProveRecord(int64(cp.Size), int64(e.Index)-1, read)
		if err != nil {
			t.Fatal(err)
		}
		w.Add(e)
		w.Proof(p)
		r := c.receipt(e.Link.Chain(), e.Link.Seq, e.Hash(), e.Index)
		w.Receipt(&r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// proof is the export of the incident that mustIncident has.
func proof(t testing.TB) []byte {
	t.Helper()
	c, id := mustIncident(t)
	return c.evidence(t, id).Export
}
