package view

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"pgregory.net/rapid"

	"wardline/sync/record"
)

// draw is an entry about an incident as it may come first, early or at any time.
func draw(t *rapid.T, id record.ID, n int) record.Body {
	b := record.Body{ID: record.DerivedID("b", id[:], []byte{byte(n)}), Incident: id, Origin: rapid.SampledFrom([]record.Origin{"core", "ward-26704", "ward-26740"}).Draw(t, "origin"),
		HLC: record.HLC(rapid.IntRange(1, 9).Draw(t, "hlc")), ReceivedAt: int64(rapid.IntRange(1, 3).Draw(t, "at"))}
	p := &b.Payload
	switch b.Kind = rapid.SampledFrom([]record.Kind{record.KindReport, record.KindReport, record.KindRouted, record.KindRouted, record.KindSuggested, record.KindMissed,
		record.KindClassify, record.KindClaim, record.KindClose, record.KindNote, record.KindWithdraw}).Draw(t, "kind"); b.Kind {
	case record.KindReport:
		b.ID = record.DerivedID("report", id[:], []byte(b.Origin))
		p.Report, p.Category = id, rapid.SampledFrom([]record.Category{record.Fire, record.Panic}).Draw(t, "category")
		p.Flags = record.Flags(rapid.IntRange(0, 255).Draw(t, "flags"))
		b.Actor = record.Actor{Kind: record.ByDevice, Name: rapid.SampledFrom([]string{"", "app-1", "app-2"}).Draw(t, "device")}
		if rapid.Bool().Draw(t, "placed") {
			p.Place = &record.Place{LatE7: int32(rapid.IntRange(1, 2).Draw(t, "lat")), AccuracyCM: 7, FixedAt: 5}
		}
		if rapid.Bool().Draw(t, "panel") {
			p.Signal = &record.Signal{Qualifier: rapid.SampledFrom([]string{"E", "R"}).Draw(t, "qualifier")}
		}
		p.Fingerprint = record.Hash{byte(rapid.IntRange(0, 1).Draw(t, "content"))}
	case record.KindRouted:
		p.Priority, p.Lead = record.Priority(rapid.IntRange(0, 4).Draw(t, "priority")), rapid.SampledFrom([]record.UnitID{"", "ward/26704", "PC07"}).Draw(t, "lead")
		p.Told = []record.UnitID{record.Command, rapid.SampledFrom([]record.UnitID{"PC07", "ward/26740"}).Draw(t, "told")}
		p.Deadlines = rapid.SampledFrom([][]record.Deadline{nil, {{Step: "claim", At: 7}}}).Draw(t, "deadlines")
		p.Category = rapid.SampledFrom([]record.Category{"", "", record.Medical}).Draw(t, "again")
		report := record.DerivedID("report", id[:], []byte(rapid.SampledFrom([]record.Origin{b.Origin, "core", "ward-26704"}).Draw(t, "of")))
		if b.Deps = []record.ID{report}; b.Origin == record.CoreOrigin {
			b.ID = rapid.SampledFrom([]record.ID{record.DerivedID("routed", id[:]), b.ID}).Draw(t, "first")
		} else if rapid.Bool().Draw(t, "has seen") {
			b.Deps = []record.ID{record.DerivedID("routed", id[:])}
		}
	case record.KindSuggested:
		p.Incidents = []record.ID{{1 + id[0]%2}} // the other of the first two, or one of them
	case record.KindClassify:
		p.Category = record.Medical
	case record.KindWithdraw:
		p.Target = record.DerivedID("b", id[:], []byte{byte(n / 2)})
	}
	if b.Kind.Action() {
		b.Actor = record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.Command}
	}
	return b
}

// TestView_HoweverEntriesCome_RowsAreWhatAFoldGives: what is taken in without a fold
// is the same, in whatever portions and order it came, also of incidents that began together.
func TestView_HoweverEntriesCome_RowsAreWhatAFoldGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db, err := badger.Open(badger.DefaultOptions("").WithInMemory(true).WithLogger(nil).WithMemTableSize(8 << 20))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		m := &memory{changed: make(chan struct{})}
		v, err := New(db, m, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err != nil {
			t.Fatal(err)
		}
		step := func() {
			if _, err := v.step(); err != nil {
				t.Fatal(err)
			}
		}
		ids := []record.ID{{1}, {2}}
		n := 0
		if rapid.Bool().Draw(t, "flood") { // so many that they make a bundle, perhaps two of different times
			for i := range 2 * bundleLeast {
				id := record.ID{byte(3 + i)}
				b := opened(100 + i)
				b.ID, b.Incident, b.Payload.Report = record.DerivedID("report", id[:], []byte(b.Origin)), id, id
				b.Actor = record.Actor{Kind: record.ByDevice, Name: rapid.SampledFrom([]string{"", "app-1", "app-2"}).Draw(t, "device")}
				b.ReceivedAt = 1 + int64(rapid.IntRange(0, 3).Draw(t, "at"))*bundleSpan.Milliseconds()/2
				m.add(b)
				ids = append(ids, id)
			}
			step()
		}
		for ; n < rapid.IntRange(1, 30).Draw(t, "entries"); n++ {
			m.add(draw(t, ids[rapid.IntRange(0, len(ids)-1).Draw(t, "incident")], n))
			if rapid.Bool().Draw(t, "step") {
				step()
			}
		}
		for v.Position() < m.Position() {
			step()
		}
		var want []Row
		sources := map[string]int{}
		for _, id := range ids {
			bodies, err := m.Bodies(id)
			if err != nil {
				t.Fatal(err)
			}
			if len(bodies) > 0 {
				want = append(want, RowOf(record.Fold(id, bodies), 0))
				sources[want[len(want)-1].Device]++
			}
		}
		slices.SortFunc(want, func(a, b Row) int { return bytes.Compare(a.listKey()[2:], b.listKey()[2:]) })
		for _, status := range []string{"", "open", "closed"} {
			var got, right []Row
			for _, r := range want {
				if status == "" || r.Open == (status == "open") {
					right = append(right, r)
				}
			}
			for q := (Query{Status: status, Limit: 3}); ; {
				p, err := v.List(q)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range p.Rows {
					r.begun, r.Position = 0, 0
					got = append(got, r)
				}
				if q.Cursor = p.Next; q.Cursor == nil {
					break
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(right) {
				t.Fatalf("list %q\nrows %+v\nfold %+v\nof %+v", status, got, right, m.rows)
			}
		}
		var got []counted
		var right []counted
		for _, r := range want {
			var c counted
			if err := c.decode(r.brief()); err != nil {
				t.Fatal(err)
			}
			right = append(right, c)
		}
		err = db.View(func(tx *badger.Txn) error {
			return v.each(tx, Span{}, func(at int64, id record.ID, open bool, c *counted) (bool, error) {
				r := want[min(len(got), len(want)-1)]
				if r.ID != id || r.ReceivedAt != at || r.Open != open {
					t.Fatalf("counted %s at %d open %v, not %+v", id, at, open, r)
				}
				got = append(got, *c)
				return true, nil
			})
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(right) {
			t.Fatalf("counted %+v\nfold    %+v\n%v", got, right, err)
		}
		for _, device := range []string{"app-1", "app-2"} {
			if h, err := v.Source(device); err != nil || h.Reports != sources[device] && !moved(m.rows) {
				t.Fatalf("%s sent %+v, not %d, %v", device, h, sources[device], err)
			}
		}
	})
}

// moved says whether reports of one incident name different devices: both keep it in their history.
func moved(rows []Committed) bool {
	of := map[record.ID]string{}
	for _, r := range rows {
		if r.Body.Kind != record.KindReport {
			continue
		}
		if was, ok := of[r.Body.Incident]; ok && was != r.Body.Actor.Name {
			return true
		}
		of[r.Body.Incident] = r.Body.Actor.Name
	}
	return false
}
