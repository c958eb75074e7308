package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the files of the present format anew")

func sampleBody() Body {
	return Body{ID: ID{1, 2}, Incident: ID{3}, Kind: KindReport, Origin: "ward-26704", Actor: Actor{ByDevice, "app-1", ""},
		Deps: []ID{{7}, {8}}, HLC: HLCAt(1_790_000_000_000) + 5, Clock: ClockSure, CapturedAt: 1_789_999_999_000, ReceivedAt: 1_790_000_000_000,
		Payload: Payload{Report: ID{3}, Fingerprint: Hash{9}, Category: Fire, Priority: 1, Place: &Place{107769000, 1067009000, 1500, 12},
			Unit: "PC07", ToUnit: "PC02", ToOfficer: "an", Reason: "true", Epoch: 2, Target: ID{4}, Incidents: []ID{{5}, {6}}, Patrol: "P-1",
			Media:  []Medium{{Hash{1}, "image/jpeg", 1234}},
			Signal: &Signal{"surgard", "1234", "new", "110", "01", "001"}, Told: []UnitID{"PC07", Command}, Lead: "ward/26704",
			Deadlines: []Deadline{{"claim", 99}}, Rules: 3, Algorithm: 1, Flags: FlagClock | FlagSilent,
			Sealed: &Sealed{KeyID{1}, []byte("ciphertext")}, Until: 77, Step: "claim", Ward: "26704", Distance: 12, Data: []byte("part"), Part: 1, Parts: 2, Index: 42}}
}

func sampleEntry(t testing.TB) Entry {
	b := sampleBody()
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return Entry{Link{"ward-26704", 0xfeed, Urgent, 7, 99, Hash{1}, Head{0xbeef, Urgent, 6, Hash{2}}}, raw}
}

func sampleReceipt() Receipt {
	r := Receipt{Chain: ChainID{"ward-26704", 0xfeed, Urgent}, Seq: 7, Hash: Hash{3}, CityIndex: 12, At: 1_790_000_000_123, Node: "core-1"}
	r.Sign(ed25519.NewKeyFromSeed(make([]byte, 32)))
	return r
}

// A file of every released format stays readable, byte for byte.
func TestFormats_FilesOfEachVersion_ReadAndWriteTheSame(t *testing.T) {
	e := sampleEntry(t)
	r := sampleReceipt()
	wk := WrappedKey{KeyID{1}, [8]byte{2}, bytes.Repeat([]byte{3}, 60)}
	for name, now := range map[string][]byte{"entry-v1.bin": e.Append(nil), "receipt-v1.bin": r.Append(nil), "wrapped-key-v1.bin": wk.Append(nil)} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, now, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, now) {
			t.Errorf("%s: the format changed; give it a new version", name)
		}
	}
	got, rest, err := DecodeEntry(e.Append(nil))
	if err != nil || len(rest) != 0 || got.Link != e.Link || got.Hash() != e.Hash() {
		t.Fatal(err, got.Link)
	}
	b, err := DecodeBody(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Encode()
	if err != nil || !bytes.Equal(again, e.Body) {
		t.Fatal("body is not the same after reading and writing", err)
	}
	rr, err := DecodeReceipt(r.Append(nil))
	if err != nil || rr.Verify(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)) != nil {
		t.Fatal(err)
	}
	if _, err := DecodeWrappedKey(wk.Append(nil)); err != nil {
		t.Fatal(err)
	}
}

func TestEntryHash_EveryFlippedByte_ChangesIt(t *testing.T) {
	e := sampleEntry(t)
	want, raw := e.Hash(), e.Append(nil)
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		got, rest, err := DecodeEntry(bad)
		if err == nil && len(rest) == 0 && got.Hash() == want {
			t.Fatalf("flipping byte %d goes unnoticed", i)
		}
	}
}

func TestReceipt_Forged_IsRefused(t *testing.T) {
	pub := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	r := sampleReceipt()
	r.Seq++
	if err := r.Verify(pub); !errors.Is(err, ErrReceipt) {
		t.Fatal("a receipt for a later entry passed")
	}
}

func TestSeal_OpensWithItsKeyOnly_AndNoticesChange(t *testing.T) {
	s, k, err := Seal([]byte("Nguyễn Văn A"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s.Ciphertext, []byte("Nguy")) {
		t.Fatal("not sealed")
	}
	if p, err := s.Open(k); err != nil || string(p) != "Nguyễn Văn A" {
		t.Fatal(err)
	}
	w, err := NewWrapper([8]byte{1}, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	wk := w.Wrap(s.Key, k)
	if back, err := w.Unwrap(wk); err != nil || back != k {
		t.Fatal("unwrapped another key", err)
	}
	wk.Key[0] ^= 1
	if _, err := w.Unwrap(wk); !errors.Is(err, ErrSealed) {
		t.Fatal("a key under another name was given out")
	}
	s.Ciphertext[0] ^= 1
	if _, err := s.Open(k); !errors.Is(err, ErrSealed) {
		t.Fatal("a changed part opened")
	}
}

func TestClock_NeverGoesBack_AndIgnoresTheFarFuture(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	c := NewClock(HLCAt(2_000_000), func() time.Time { return now })
	a := c.Now()
	now = time.UnixMilli(10)
	if b := c.Now(); b <= a || a.Millis() < 2_000_000 {
		t.Fatalf("%d after %d", b, a)
	}
	now = time.UnixMilli(3_000_000)
	c.Observe(HLCAt(now.UnixMilli() + MaxClockLead.Milliseconds() + 1))
	if c.Last().Millis() > 3_000_000 {
		t.Fatal("followed a stamp from the far future")
	}
	c.Observe(HLCAt(3_000_500))
	if c.Now().Millis() < 3_000_500 {
		t.Fatal("did not follow a plausible stamp")
	}
}

func FuzzDecode(f *testing.F) {
	e := sampleEntry(f)
	f.Add(e.Append(nil))
	f.Add(e.Body)
	r := sampleReceipt()
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if e, _, err := DecodeEntry(p); err == nil {
			if got, _, err := DecodeEntry(e.Append(nil)); err != nil || got.Hash() != e.Hash() {
				t.Fatal("an entry changed when written again", err)
			}
		}
		if b, err := DecodeBody(p); err == nil {
			if b.Kind.Valid() {
				raw, err := b.Encode()
				if err != nil {
					return
				}
				if _, err := DecodeBody(raw); err != nil {
					t.Fatal("what we wrote cannot be read", err)
				}
			}
			Fold(b.Incident, []Body{b, b})
		}
		_, _ = DecodeReceipt(p)
		_, _ = DecodeWrappedKey(p)
	})
}
