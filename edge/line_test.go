package edge

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"wardline/edge/ledger"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

// A part whose data cannot be kept (here: the city holds another entry at a
// place of our own) leaves the cursor where it was. If it moved first, the city would
// forget rows that never came to this disk.
func TestLine_PartThatCannotBeKept_LeavesTheCursor(t *testing.T) {
	dir, origin := t.TempDir(), record.StationOrigin("26704")
	o := ledger.Default(filepath.Join(dir, "ledger"), origin)
	o.Ballast = 0
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := sealing.OpenKeyring(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	var alarms []string
	line := &Line{Origin: origin, Ledger: l, Keys: keys, Alarm: func(a string) { alarms = append(alarms, a) }, Claimed: func(*record.Body) {}, Lacks: func() {}, Cloned: func() {}, Told: func() error { return nil }, Log: slog.Default()}
	entry := func(name string, link record.Link) record.Entry {
		id := record.DerivedID(name)
		b := record.Body{ID: id, Incident: id, Kind: record.KindSignal, Origin: link.Origin, HLC: l.Clock().Now()}
		raw, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return record.Entry{Link: link, Body: raw}
	}
	own := record.Link{Origin: origin, Incarnation: 5, Lane: record.Urgent, Seq: 1}
	core := record.Link{Origin: record.CoreOrigin, Incarnation: 1, Lane: record.CityLog, Seq: 1}
	part := func(index uint64, list ...record.Entry) downlink.Part {
		p := downlink.Part{Cursor: &downlink.Cursor{Seq: record.Seq(index), Hash: record.Hash{byte(index)}}}
		for i, e := range list {
			p.Entries = append(p.Entries, downlink.Entry{Index: index + uint64(i), Raw: e.Append(nil)})
		}
		return p
	}
	ours := entry("ours", own)
	if err := line.Down().Apply(part(1, ours), nil); err != nil {
		t.Fatal(err)
	}
	// The uplink compares heads later, and finds nothing missing any more.
	if len(alarms) != 1 || !strings.Contains(alarms[0], "rolled back") {
		t.Errorf("an entry of our own came back that was not here, and what is said is %q", alarms)
	}
	if err := line.Down().Apply(part(1, ours), nil); err != nil || len(alarms) != 1 {
		t.Errorf("what is here comes again: %q, %v", alarms, err)
	}
	news := entry("news", core)
	if err := line.Down().Apply(part(2, news, entry("not ours", own)), nil); err == nil {
		t.Fatal("another entry at the place of our own was taken")
	}
	if c, err := line.Down().Cursor(); err != nil || c.Seq != 1 || c.Hash != (record.Hash{1}) {
		t.Fatalf("the cursor moved to %+v (%v) although its data is not there", c, err)
	}
	if err := line.Down().Apply(part(2, news), nil); err != nil {
		t.Fatal(err)
	}
	if list, err := l.Incident(record.DerivedID("news")); err != nil || len(list) != 1 {
		t.Fatalf("%d entries (%v)", len(list), err)
	}
	if c, err := line.Down().Cursor(); err != nil || c.Seq != 2 {
		t.Fatalf("%+v (%v)", c, err)
	}
}
