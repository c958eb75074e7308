package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"wardline/sync/record"
)

func TestVerify_AWholeExport_IsProven(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 255, 256, 257, 700} {
		c := mustCity(t, 1, n)
		raw := c.export(t, 100)
		pin, err := ParsePin(c.signer.String())
		if err != nil {
			t.Fatal(err)
		}
		res, err := verify(raw, Options{Pin: pin})
		if err != nil {
			t.Fatalf("%d entries: %v", n, err)
		}
		if res.Entries != uint64(n) || res.Checkpoint.Size != uint64(n) || !res.Pinned || res.Nodes != 1 || uint64(res.Chains) != res.Receipts || len(res.Notices) != 0 {
			t.Errorf("%d entries: %+v", n, res)
		}
	}
}

func TestRange_AnySize_HasTheRootOfTlog(t *testing.T) {
	var r Range
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, _ error) {
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for n := range int64(600) {
		if root, err := tlog.TreeHash(n, read); err != nil || root != r.Root() {
			t.Fatalf("%d leaves: %v", n, err)
		}
		leaf := tlog.RecordHash(fmt.Append(nil, n))
		more, err := tlog.StoredHashesForRecordHash(n, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		r.Add(leaf)
	}
}

// Every bit of every byte, in a log that is small enough for it; under the race detector one or two
// of each byte, whose place goes round.
func TestVerify_AnyOneBitFlipped_SaysSo(t *testing.T) {
	raw := mustCity(t, 2, 6).export(t, 4)
	for at := range raw {
		for bit := range 8 {
			if (at*8+bit)%stride(31, 7) != 0 {
				continue
			}
			raw[at] ^= 1 << bit
			if _, err := verify(raw, Options{}); err == nil {
				t.Fatalf("bit %d of byte %d of %d: passed", bit, at, len(raw))
			}
			raw[at] ^= 1 << bit
		}
	}
}

// The first entry that was touched is the one that is named.
func TestVerify_AByteOfAnEntryChanged_NamesThatEntry(t *testing.T) {
	c := mustCity(t, 3, 150)
	parts := split(t, c.export(t, 60))
	r := rand.New(rand.NewPCG(3, 3))
	rounds := 2000
	if testing.Short() {
		rounds = 250
	}
	for range rounds {
		at := r.IntN(len(parts))
		if parts[at].kind != frameEntry {
			continue
		}
		was := parts[at].content
		n := binary.BigEndian.Uint64(was)
		changed := bytes.Clone(was)
		k := r.IntN(len(changed))
		changed[k] ^= byte(1 + r.IntN(255))
		parts[at].content = changed
		_, err := verify(join(parts), Options{})
		parts[at].content = was
		var f *Fault
		if !errors.As(err, &f) || f.First != n || f.Last > f.First {
			t.Fatalf("byte %d of entry %d: %v", k, n, err)
		}
	}
}

// mutation is what somebody with an editor for exports does.
func mutation(t *rapid.T, parts []part) ([]part, string) {
	p := slices.Clone(parts)
	at := rapid.IntRange(0, len(p)-1).Draw(t, "at")
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		return slices.Delete(p, at, at+1), "dropped"
	case 1:
		to := rapid.IntRange(0, len(p)-1).Draw(t, "to")
		p[at], p[to] = p[to], p[at]
		return p, "swapped"
	case 2:
		to := rapid.IntRange(0, len(p)).Draw(t, "to")
		return slices.Insert(p, to, p[at]), "repeated"
	case 3:
		to := rapid.IntRange(at, len(p)-1).Draw(t, "to")
		return slices.Delete(p, at, to+1), "cut out"
	}
	x := bytes.Clone(p[at].content)
	if len(x) > 0 {
		k := rapid.IntRange(0, len(x)-1).Draw(t, "byte")
		x[k] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
	}
	p[at].content = x
	return p, "changed"
}

func TestVerify_AnythingDroppedSwappedRepeatedOrChanged_SaysSo(t *testing.T) {
	c := mustCity(t, 4, 90)
	raw := c.export(t, 25)
	parts := split(t, raw)
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			p, how := mutation(t, parts)
			changed := join(p)
			if bytes.Equal(changed, raw) {
				continue
			}
			if _, err := verify(changed, Options{}); err == nil {
				t.Fatalf("%s: passed", how)
			}
		}
	})
}

func TestVerify_CutAtAnyByte_SaysSo(t *testing.T) {
	raw := mustCity(t, 5, 12).export(t, 5)
	for n := 0; n < len(raw); n += stride(7, 3) {
		var f *Fault
		if _, err := verify(raw[:n], Options{}); !errors.As(err, &f) {
			t.Fatalf("%d of %d bytes: %v", n, len(raw), err)
		}
	}
	if _, err := verify(append(bytes.Clone(raw), 0), Options{}); err == nil {
		t.Fatal("a byte behind the end passed")
	}
}

func TestVerify_EntryDropped_NamesIt(t *testing.T) {
	parts := split(t, mustCity(t, 6, 50).export(t, 20))
	for at, p := range parts {
		if p.kind != frameEntry {
			continue
		}
		n := binary.BigEndian.Uint64(p.content)
		if n == 50 || n%20 == 0 {
			continue // then the checkpoint behind it says that it is missing, below
		}
		_, err := verify(join(slices.Delete(slices.Clone(parts), at, at+1)), Options{})
		var f *Fault
		if !errors.As(err, &f) || f.First != n || !strings.Contains(err.Error(), fmt.Sprintf("entry %d: not there", n)) {
			t.Fatalf("entry %d: %v", n, err)
		}
	}
	last := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.kind == frameEntry && binary.BigEndian.Uint64(p.content) == 50 })
	var f *Fault
	if _, err := verify(join(last), Options{}); !errors.As(err, &f) || f.First != 50 || !strings.Contains(err.Error(), "missing") {
		t.Fatal(err)
	}
}

// forge writes the log anew, with what forger did to it, with every hash and link made
// to fit, and the city's own checkpoints: what somebody with all but the key can do.
func (c *city) forge(t testing.TB, every int, forger func(i int, e *Entry)) []byte {
	t.Helper()
	honest := c.export(t, every)
	heads := map[record.ChainID]record.Hash{}
	forged := city{signer: c.signer, node: c.node}
	for i, e := range c.entries {
		e.Body = bytes.Clone(e.Body)
		forger(i, &e)
		if h, ok := heads[e.Link.Chain()]; ok {
			e.Link.Prev = h
		}
		heads[e.Link.Chain()] = e.Hash()
		forged.entries = append(forged.entries, e)
	}
	parts := split(t, forged.export(t, every))
	for i, p := range split(t, honest) {
		if p.kind == frameCheckpoint {
			parts[i] = p // the forger cannot sign another
		}
	}
	return join(parts)
}

func TestVerify_RewrittenWithEverythingMadeToFit_NamesTheStretch(t *testing.T) {
	c := mustCity(t, 7, 300)
	raw := c.forge(t, 100, func(i int, e *Entry) {
		if i == 149 {
			e.Body[len(e.Body)-1] ^= 1
		}
	})
	var f *Fault
	if _, err := verify(raw, Options{}); !errors.As(err, &f) || f.First != 101 || f.Last != 200 {
		t.Fatal(err)
	}
	raw = c.forge(t, 100, func(i int, e *Entry) {
		if i == 250 && e.Listed == record.KindRepeat {
			t.Fatal("pick another entry")
		}
		if i == 250 {
			e.Listed = record.KindRepeat
		}
	})
	if _, err := verify(raw, Options{}); !errors.As(err, &f) || f.First != 201 || f.Last != 300 {
		t.Fatal(err)
	}
}

func TestVerify_AnotherKey_IsNotTaken(t *testing.T) {
	c := mustCity(t, 8, 10)
	other, err := ParsePin(strings.Repeat("ab:", 31) + "AB")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(c.export(t, 100), Options{Pin: other}); err == nil || !strings.Contains(err.Error(), c.signer.Fingerprint()) {
		t.Fatal(err)
	}
	res, err := verify(c.export(t, 100), Options{})
	if err != nil || res.Pinned {
		t.Fatal(res, err)
	}
	for _, s := range []string{"", "abc", LogName, c.signer.String()[:50], strings.Replace(c.signer.String(), "+", "-", 1)} {
		if _, err := ParsePin(s); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestVerify_EarlierCheckpoint_MustBeThePastOfTheExport(t *testing.T) {
	c := mustCity(t, 9, 120)
	var r Range
	var kept []byte
	for i := range c.entries {
		r.Add(c.entries[i].Leaf())
		if i == 76 {
			kept = c.checkpoint(t, Checkpoint{r.Size(), r.Root(), 5})
		}
	}
	raw := c.export(t, 1000)
	if _, err := verify(raw, Options{Earlier: [][]byte{kept}}); err != nil {
		t.Fatal(err)
	}
	// The city itself signed another past: only who kept the checkpoint can tell.
	other := mustCity(t, 10, 120).export(t, 1000)
	var f *Fault
	if _, err := verify(other, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(other, Options{Earlier: [][]byte{kept}}); !errors.As(err, &f) || f.Last != 77 {
		t.Fatal(err)
	}
	short := mustCity(t, 9, 50).export(t, 1000)
	if _, err := verify(short, Options{Earlier: [][]byte{kept}}); err == nil || !strings.Contains(err.Error(), "77") {
		t.Fatal(err)
	}
}

func TestVerify_LivesThatDoNotFollow_AreNoticedAndNoFault(t *testing.T) {
	c := mustCity(t, 11, 400)
	for i := range c.entries {
		if c.entries[i].Link.Pred != (record.Head{}) {
			c.entries[i].Link.Pred.Seq++
			c.entries = c.entries[:i+1]
			break
		}
	}
	res, err := verify(c.export(t, 1000), Options{})
	if err != nil || len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "began the life") {
		t.Fatal(res, err)
	}
}

func TestVerify_OneIncident_AnyByteChangedOrPartMoved_SaysSo(t *testing.T) {
	raw := proof(t)
	res, err := verify(raw, Options{})
	if err != nil || res.Entries != 9 || res.Incident.Zero() || res.Receipts != 9 {
		t.Fatal(res, err)
	}
	for at := 0; at < len(raw); at += stride(13, 3) {
		raw[at] ^= byte(1 + at%255)
		if _, err := verify(raw, Options{}); err == nil {
			t.Fatalf("byte %d of %d: passed", at, len(raw))
		}
		raw[at] ^= byte(1 + at%255)
	}
	parts := split(t, raw)
	rapid.Check(t, func(t *rapid.T) {
		p, how := mutation(t, parts)
		if changed := join(p); !bytes.Equal(changed, raw) {
			if _, err := verify(changed, Options{}); err == nil {
				t.Fatalf("%s: passed", how)
			}
		}
	})
}

// What somebody with a key of their own can sign is not taken for the city's.
func TestVerify_SignedByAStranger_SaysSo(t *testing.T) {
	c := mustCity(t, 13, 30)
	parts := split(t, c.export(t, 100))
	seed := [32]byte{66}
	stranger := ed25519.NewKeyFromSeed(seed[:])
	s, err := NewSigner(stranger)
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(kind byte, with func(was []byte) []byte) []byte {
		p := slices.Clone(parts)
		for i := range p {
			if p[i].kind == kind {
				p[i].content = with(p[i].content)
				break
			}
		}
		return join(p)
	}
	for name, x := range map[string]struct {
		raw  []byte
		want string
	}{
		"a receipt": {replaced(frameReceipt, func(was []byte) []byte {
			r, err := record.DecodeReceipt(was)
			if err != nil {
				t.Fatal(err)
			}
			r.Sign(stranger)
			return r.Append(nil)
		}), "is not signed by core-1"},
		"a receipt of an unknown node": {replaced(frameReceipt, func(was []byte) []byte {
			r, err := record.DecodeReceipt(was)
			if err != nil {
				t.Fatal(err)
			}
			r.Node = "core-9"
			r.Sign(stranger)
			return r.Append(nil)
		}), "of whose key the log says nothing"},
		"a receipt for more than there is": {replaced(frameReceipt, func(was []byte) []byte {
			r, err := record.DecodeReceipt(was)
			if err != nil {
				t.Fatal(err)
			}
			r.Seq++ // the node itself signed that the city has more
			r.Sign(c.node)
			return r.Append(nil)
		}), "ends with seq"},
		"a checkpoint": {replaced(frameCheckpoint, func(was []byte) []byte {
			cp, err := c.signer.OpenCheckpoint(was)
			if err != nil {
				t.Fatal(err)
			}
			note, err := s.SignCheckpoint(cp)
			if err != nil {
				t.Fatal(err)
			}
			return note
		}), "not signed with the key of the city's log"},
		"a node's key": {replaced(frameStatement, func([]byte) []byte {
			note, err := s.StateKey(Statement{"core-1", stranger.Public().(ed25519.PublicKey)})
			if err != nil {
				t.Fatal(err)
			}
			return note
		}), "not signed with the key of the city's log"},
	} {
		var f *Fault
		if _, err := verify(x.raw, Options{}); !errors.As(err, &f) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
