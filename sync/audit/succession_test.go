package audit

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"wardline/sync/record"
	"wardline/sync/trust"
)

func mustSigner(t testing.TB, seed byte) *Signer {
	t.Helper()
	s, err := NewSigner(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// grown is a city whose log was signed with other keys in turn: where a key begins, after how
// many entries, and who signs beside it.
type grown struct {
	*city
	signers []*Signer
	notes   [][]byte
	since   []uint64 // since[i] is the entry that brings signers[i+1]
}

// mustGrown is a log of three stretches of n entries, each but the first after a turn.
func mustGrown(t testing.TB, n int) *grown {
	t.Helper()
	g := &grown{city: mustCity(t, 5, 3*n)}
	g.signers = []*Signer{g.signer, mustSigner(t, 30), mustSigner(t, 31)}
	for i := range 2 {
		note, err := g.signers[i].Succeed(g.signers[i+1].Key, i+2)
		if err != nil {
			t.Fatal(err)
		}
		g.notes = append(g.notes, note)
		at := (i+1)*n + i
		c := trust.Change{Op: trust.OpLogKey, Current: uint32(i + 2), Log: note}
		data, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		b := record.Body{ID: record.DerivedID("turn", note), Kind: record.KindMachine, Origin: record.CoreOrigin, HLC: record.HLCAt(1_790_000_000_000),
			Payload: record.Payload{Step: string(c.Op), Data: data}}
		raw, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		g.entries = slices.Insert(g.entries, at, Entry{Listed: record.KindMachine, Entry: record.Entry{Link: record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, HLC: b.HLC}, Body: raw}})
	}
	g.relink()
	return g
}

// relink makes the core's chain and the order whole again.
func (g *grown) relink() {
	last, seq := record.Hash{}, record.Seq(0)
	g.since = g.since[:0]
	for i := range g.entries {
		e := &g.entries[i]
		e.Index = uint64(i + 1)
		if e.Link.Origin != record.CoreOrigin {
			continue
		}
		seq++
		e.Link.Seq, e.Link.Prev, e.Link.HLC = seq, last, record.HLCAt(1_790_000_000_000+int64(i))
		last = e.Hash()
		if e.Listed == record.KindMachine {
			g.since = append(g.since, e.Index)
		}
	}
}

// whole exports the log with a checkpoint behind each entry that stands at a multiple of every;
// sign signs it, with the number of the key that is in force.
func (g *grown) whole(t testing.TB, every int, sign func(key int, c Checkpoint) ([]byte, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	last := g.signers[len(g.signers)-1]
	statement, err := last.StateKey(Statement{"core-1", g.node.Public().(ed25519.PublicKey)})
	if err != nil {
		t.Fatal(err)
	}
	w := NewLog(&out, g.signers[0].Key, [][]byte{statement}, g.notes...)
	for i := range g.entries {
		w.Add(&g.entries[i])
		if (i+1)%every != 0 && i+1 < len(g.entries) {
			continue
		}
		key := 0
		for _, s := range g.since {
			if w.Size() >= s {
				key++
			}
		}
		note, err := sign(key, Checkpoint{w.Size(), w.Root(), 1_790_000_200_000})
		if err != nil {
			t.Fatal(err)
		}
		w.Checkpoint(note)
	}
	w.Receipts(func(id record.ChainID, seq record.Seq, hash record.Hash) record.Receipt {
		return g.receipt(id, seq, hash, uint64(len(g.entries)))
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// both signs with the key in force and the one before.
func (g *grown) both(key int, c Checkpoint) ([]byte, error) {
	return g.signers[key].SignCheckpoint(c, g.signers[max(key-1, 0):key]...)
}

func (g *grown) alone(key int, c Checkpoint) ([]byte, error) { return g.signers[key].SignCheckpoint(c) }

func pinOf(t testing.TB, k Key) Pin {
	t.Helper()
	p, err := ParsePin(k.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestVerify_KeysThatFollow_LeadFromAnOlderPin: whoever pinned any key of the succession
// verifies, and is told how many came since; another key is refused.
func TestVerify_KeysThatFollow_LeadFromAnOlderPin(t *testing.T) {
	g := mustGrown(t, 7)
	early, err := g.alone(0, Checkpoint{Size: 3, Root: rootOf(g, 3), At: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []func(int, Checkpoint) ([]byte, error){g.both, g.alone} {
		raw := g.whole(t, 3, how)
		for i, s := range g.signers {
			res, err := verify(raw, Options{Pin: pinOf(t, s.Key), Earlier: [][]byte{early}})
			if err != nil {
				t.Fatalf("pinned the key %d: %v", i+1, err)
			}
			if !res.Pinned || res.Since != 2-i || res.Successions != 2 || res.Key.String() != g.signers[2].String() {
				t.Errorf("pinned the key %d: %+v", i+1, res)
			}
		}
		if _, err := verify(raw, Options{Pin: pinOf(t, mustSigner(t, 77).Key)}); err == nil || !strings.Contains(err.Error(), "nor with one that follows") {
			t.Errorf("a key that is in no succession: %v", err)
		}
	}
}

func rootOf(g *grown, n int) (root [32]byte) {
	var r Range
	for i := range n {
		r.Add(g.entries[i].Leaf())
	}
	return r.Root()
}

// TestVerify_KeyOfBefore_SignsNothingAlone: from the turn on the next key must sign, and the
// notes in the file are those in the log.
func TestVerify_KeyOfBefore_SignsNothingAlone(t *testing.T) {
	g := mustGrown(t, 7)
	stale := func(key int, c Checkpoint) ([]byte, error) { return g.alone(max(key-1, 0), c) }
	soon := func(key int, c Checkpoint) ([]byte, error) { return g.alone(min(key+1, 2), c) }
	stranger := func(key int, c Checkpoint) ([]byte, error) {
		return g.signers[key].SignCheckpoint(c, mustSigner(t, 77))
	}
	turned := func(key int, c Checkpoint) ([]byte, error) {
		if key == 0 {
			return g.alone(0, c)
		}
		return g.signers[key-1].SignCheckpoint(c, g.signers[key])
	}
	for what, how := range map[string]func(int, Checkpoint) ([]byte, error){"the key of before": stale, "the next too early": soon, "a stranger beside": stranger, "in the other order": turned} {
		if _, err := verify(g.whole(t, 3, how), Options{}); err == nil {
			t.Errorf("%s: passed", what)
		}
	}
	// A thief of the last key but one names a successor, and leaves the true one out.
	thief := mustSigner(t, 78)
	note, err := g.signers[1].Succeed(thief.Key, 3)
	if err != nil {
		t.Fatal(err)
	}
	other := *g
	other.notes, other.signers = [][]byte{g.notes[0], note}, []*Signer{g.signers[0], g.signers[1], thief}
	if _, err := verify(other.whole(t, 3, other.alone), Options{Pin: pinOf(t, g.signers[0].Key)}); err == nil || !strings.Contains(err.Error(), "another key of the log") {
		t.Errorf("a successor that the log does not name: %v", err)
	}
	short := *g
	short.notes, short.signers, short.since = g.notes[:1], g.signers[:2], g.since[:1]
	if _, err := verify(short.whole(t, 3, short.alone), Options{}); err == nil {
		t.Error("a turn in the log that the file does not name: passed")
	}
	if _, err := g.signers[0].OpenSuccession(g.notes[0], 3); err == nil {
		t.Error("a note of another turn was taken")
	}
}

// Every bit of every byte in the long form; else one in thirteen, whose place in its byte goes round.
func TestVerify_OverATurn_AnyBitOrPartChanged_SaysSo(t *testing.T) {
	g := mustGrown(t, 2)
	raw := g.whole(t, 3, g.both)
	if _, err := verify(raw, Options{}); err != nil {
		t.Fatal(err)
	}
	for at := range raw {
		for bit := range 8 {
			if os.Getenv("WARDLINE_LONG") == "" && (at*8+bit)%13 != 0 {
				continue
			}
			raw[at] ^= 1 << bit
			if _, err := verify(raw, Options{}); err == nil {
				t.Fatalf("bit %d of byte %d of %d: passed", bit, at, len(raw))
			}
			raw[at] ^= 1 << bit
		}
	}
	parts := split(t, raw)
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			p, how := mutation(t, parts)
			changed := append([]byte(magicSuccession), join(p)[len(magic):]...)
			if bytes.Equal(changed, raw) {
				continue
			}
			if _, err := verify(changed, Options{}); err == nil {
				t.Fatalf("%s: passed", how)
			}
		}
	})
}
