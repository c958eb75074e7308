package ledger

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"wardline/sync/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// blockOfThree holds a report with its answer, its routing behind it, and an entry of the city.
func blockOfThree(t testing.TB) []byte {
	body := func(kind record.Kind, o record.Origin) []byte {
		b := record.Body{ID: record.ID{1, byte(kind)}, Incident: record.ID{2}, Kind: kind, Origin: o, HLC: 7}
		raw, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	link := record.Link{Origin: origin, Incarnation: 3, Lane: record.Routine, Seq: 4, HLC: 7, Prev: record.Hash{9}}
	routed, city := link, link
	routed.Lane, routed.Seq = record.Urgent, 5
	city.Origin, city.Lane = record.CoreOrigin, record.CityLog
	b := []byte{blockVersion}
	for _, h := range []held{
		{flags: flagOnce | flagRouted, entry: record.Entry{Link: link, Body: body(record.KindReport, origin)}, extra: []byte("w")},
		{entry: record.Entry{Link: routed, Body: body(record.KindRouted, origin)}},
		{flags: flagForeign, index: 99, entry: record.Entry{Link: city, Body: body(record.KindClaim, record.CoreOrigin)}},
	} {
		b = appendHeld(b, &h)
	}
	return b
}

func TestBlock_IsWhatTheGoldenFileHolds(t *testing.T) {
	const file = "testdata/block.hex"
	got := blockOfThree(t)
	if *update {
		if err := os.WriteFile(file, []byte(hex.EncodeToString(got)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v\n%x, the file has\n%x", err, got, want)
	}
	r, err := readBlock(10, want)
	for i, c := range []struct {
		flags byte
		seq   record.Seq
		index uint64
		extra string
	}{{flagOnce | flagRouted, 4, 0, "w"}, {0, 5, 0, ""}, {flagForeign, 4, 99, ""}} {
		if err != nil {
			t.Fatal(err)
		}
		var raw []byte
		var at place
		if raw, at, err = r.raw(); err != nil || at != (place{10 + uint64(i), 10}) {
			t.Fatalf("%+v %v", at, err)
		}
		h, err := decodeHeld(raw, at)
		if err != nil || h.flags != c.flags || h.entry.Link.Seq != c.seq || h.index != c.index || string(h.extra) != c.extra {
			t.Fatalf("entry %d: %+v %v", i, h, err)
		}
	}
	if raw, _, err := r.raw(); raw != nil || err != nil {
		t.Fatal("the block goes on", err)
	}
}

// What a damaged block gives is an error or entries, never a panic and never more than its bytes.
func FuzzBlock(f *testing.F) {
	f.Add(blockOfThree(f))
	f.Add([]byte{blockVersion, 5, 0})
	f.Fuzz(func(t *testing.T, v []byte) {
		r, err := readBlock(1, v)
		for n := 0; err == nil; n++ {
			var raw []byte
			var at place
			if raw, at, err = r.raw(); raw == nil || err != nil {
				return
			}
			if n > len(v)/record.LinkSize {
				t.Fatal("more entries than fit")
			}
			chainOf(raw)
			if h, err := decodeHeld(raw, at); err == nil {
				if again := appendHeld(nil, &h); !bytes.HasSuffix(again, raw) && !bytes.Contains(v, again) {
					if h2, err := decodeHeld(again[len(again)-len(raw):], at); err != nil || h2.entry.Hash() != h.entry.Hash() {
						t.Fatalf("%x is written again as %x", raw, again)
					}
				}
			}
		}
	})
}
