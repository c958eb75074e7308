package fsm

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"wardline/sync/record"
)

var update = flag.Bool("update", false, "write the files of stored formats anew")

// rowsFile holds a row of each stored form, as `name hex` a line.
const rowsFile = "testdata/rows.hex"

func sampleEntry() record.Entry {
	return record.Entry{Link: record.Link{Origin: station, Incarnation: 7, Lane: record.Urgent, Seq: 3, HLC: 9, Prev: record.Hash{4}}, Body: []byte("a body")}
}

func sampleRows() map[string][]byte {
	k := block{first: 1000, end: 1000}
	k.add(record.KindReport, 0, sampleEntry())
	k.add(record.KindRepeat, 1000, sampleEntry())
	s := &subject{first: 1000, atCore: 1002, told: []record.WardCode{"26704", "26740"}, at: []uint64{1000, 1001, 1300}}
	m := meta{applied: 1, term: 2, index: 3, log: record.Hash{4}, time: 5, part: 6, done: 7, dues: 8}
	c := chainRow{seq: 1, hash: record.Hash{2}, hlc: 3, index: 4, acked: 5}
	refs := append(append([]byte{refEntry, 0xe8, 7, refIncident, 5}, make([]byte, 16)...), refAccounts, 9)
	return map[string][]byte{"block": k.data, "subject": s.encode(), "meta": m.encode(), "chain": c.encode(), "due-key": dueKey(dueSlot{1, 1_790_000_000}, 77), "outbox-refs": refs}
}

// What a released program wrote is read by the next ones: rows are as the file has
// them, and say the same.
func TestRows_AreAsTheirFileHasThem(t *testing.T) {
	rows := sampleRows()
	if *update {
		var out strings.Builder
		for _, name := range []string{"block", "subject", "meta", "chain", "due-key", "outbox-refs"} {
			fmt.Fprintf(&out, "%s %x\n", name, rows[name])
		}
		if err := os.WriteFile(rowsFile, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(rowsFile)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]byte{}
	for line := range strings.Lines(string(raw)) {
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kept[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(rows, kept) {
		t.Fatalf("written now:\n%x\nin the file:\n%x", rows, kept)
	}
	k := block{first: 1000, data: kept["block"]}
	var got []row
	if err := k.each(1000, func(r row) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := []row{{1000, record.KindReport, 0, sampleEntry()}, {1001, record.KindRepeat, 1000, sampleEntry()}}; !reflect.DeepEqual(got, want) {
		t.Errorf("block: %+v", got)
	}
	s, err := decodeSubject(kept["subject"])
	if err != nil || s.first != 1000 || s.atCore != 1002 || !reflect.DeepEqual(s.at, []uint64{1000, 1001, 1300}) || !reflect.DeepEqual(s.told, []record.WardCode{"26704", "26740"}) {
		t.Errorf("subject: %+v %v", s, err)
	}
	if m, err := decodeMeta(kept["meta"]); err != nil || m != (meta{1, 2, 3, record.Hash{4}, 5, 6, 7, 8}) {
		t.Errorf("meta: %+v %v", m, err)
	}
	if c, err := decodeChain(kept["chain"]); err != nil || c != (chainRow{1, record.Hash{2}, 3, 4, 5}) {
		t.Errorf("chain: %+v %v", c, err)
	}
	if at := dueAt(string(kept["due-key"])); at != 1_790_000_000 {
		t.Errorf("due at %d", at)
	}
	refs, err := decodeRefs(kept["outbox-refs"])
	if want := []OutRef{{Index: 1000}, {Index: 5}, {Index: 9, Accounts: true}}; err != nil || !reflect.DeepEqual(refs, want) {
		t.Errorf("outbox: %+v %v", refs, err)
	}
}

// FuzzRows: no row, however damaged, does more than be refused.
func FuzzRows(f *testing.F) {
	for _, v := range sampleRows() {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		k := block{first: 1, data: v}
		n := uint64(0)
		if err := k.each(0, func(row) error { n++; return nil }); err == nil && k.end != 1+n {
			t.Fatalf("%d entries end at %d", n, k.end)
		}
		if s, err := decodeSubject(v); err == nil {
			again, err := decodeSubject(s.encode())
			if err != nil || again.first != s.first || len(again.at) != len(s.at) || len(again.told) != len(s.told) {
				t.Fatalf("%+v comes back as %+v, %v", s, again, err)
			}
		}
		_, _ = decodeRefs(v)
		_, _ = decodeMeta(v)
		_, _ = decodeChain(v)
	})
}
