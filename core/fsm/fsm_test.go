package fsm

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"testing"

	"pgregory.net/rapid"

	"wardline/sync/record"
)

const station = record.Origin("ward-26704")

func mustOpen(t testing.TB, dir string) *Machine {
	t.Helper()
	m, err := Open(Options{Dir: dir, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB) *Machine {
	m := mustOpen(t, t.TempDir())
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// writer makes a station's chain.
type writer struct {
	inc  record.Incarnation
	seq  record.Seq
	prev record.Hash
	pred record.Head
}

func (w *writer) entry(body *record.Body) record.Entry {
	w.seq++
	l := record.Link{Origin: body.Origin, Incarnation: w.inc, Lane: record.Urgent, Seq: w.seq, HLC: body.HLC, Prev: w.prev}
	if w.seq == 1 {
		l.Pred = w.pred
	}
	raw, err := body.Encode()
	if err != nil {
		panic(err)
	}
	e := record.Entry{Link: l, Body: raw}
	w.prev = e.Hash()
	return e
}

const now = int64(1_790_000_000_000)

func report(o record.Origin, n int, fp byte) *record.Body {
	id := record.DerivedID("t", []byte(fmt.Sprint(n)))
	return &record.Body{ID: record.DerivedID("report", id[:], []byte(o)), Incident: id, Kind: record.KindReport, Origin: o,
		HLC: record.HLCAt(now + int64(n)), ReceivedAt: now, CapturedAt: now, Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"},
		Payload: record.Payload{Report: id, Category: record.Fire, Fingerprint: record.Hash{fp}, Ward: "26704",
			Place: &record.Place{LatE7: 107769000 + int32(n%7)*100, LonE7: 1067009000}}}
}

func batchOf(list ...record.Entry) []byte {
	var b []byte
	for _, e := range list {
		b = e.Append(b)
	}
	return Batch(b, nil)
}

type log struct{ entries []LogEntry }

func (l *log) add(items ...[]byte) {
	l.entries = append(l.entries, LogEntry{Index: uint64(len(l.entries) + 1), Term: 1, Items: items})
}

// do applies one command and gives its result.
func do(t testing.TB, m *Machine, item []byte) Result {
	t.Helper()
	index, _ := m.Applied()
	out, err := m.ApplyBatch([]LogEntry{{Index: index + 1, Term: 1, Items: [][]byte{item}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := DecodeResult(out[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func encode(t testing.TB, b *record.Body) []byte {
	t.Helper()
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func kinds(t testing.TB, m *Machine) map[string]int {
	t.Helper()
	rows, err := m.After(0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for i, r := range rows {
		if r.Index != uint64(i+1) {
			t.Fatalf("index %d at place %d: not contiguous", r.Index, i+1)
		}
		out[r.Listed.String()]++
	}
	return out
}

func TestMachine_ReportAtBothDoors_OneReportOneRepeat(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	if r := do(t, m, batchOf(w.entry(report(station, 1, 1)))); r.Status != OK || r.Seq != 1 {
		t.Fatalf("%+v", r)
	}
	atCore := Body(encode(t, report(record.CoreOrigin, 1, 1)), nil)
	first := do(t, m, atCore)
	again := do(t, m, atCore)
	if first.Status != OK || again.Status != Repeat || again.Hash != first.Hash {
		t.Fatalf("%+v %+v", first, again)
	}
	if k := kinds(t, m); k["report"] != 1 || k["repeat"] != 1 || k["routed"] != 1 {
		t.Fatalf("%v", k)
	}
	rows, _ := m.After(0, 10)
	if rows[2].Listed != record.KindRepeat || rows[2].First != 1 {
		t.Fatalf("the repeat does not name the first: %+v", rows[2])
	}
}

func TestMachine_OtherContentUnderAKnownID_IsKeptAsAReport(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	do(t, m, batchOf(w.entry(report(station, 1, 1))))
	o := &writer{inc: 9}
	do(t, m, batchOf(o.entry(report("ward-26740", 1, 2))))
	do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 2)), nil))
	if k := kinds(t, m); k["report"] != 2 || k["repeat"] != 1 {
		t.Fatalf("%v", k)
	}
	rows, err := m.Incident(OtherContentID(report(station, 1, 2).Payload.Report, record.Hash{2}))
	if err != nil || len(rows) == 0 || rows[0].Body.Payload.Flags&record.FlagOtherContent == 0 {
		t.Fatalf("%+v %v", rows, err)
	}
}

func TestMachine_SentTwice_Fine_Gap_Refused_Fork_Named(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	a, b, c := w.entry(report(station, 1, 1)), w.entry(report(station, 2, 1)), w.entry(report(station, 3, 1))
	if r := do(t, m, batchOf(b, c)); r.Status != Gap || r.Expected != 1 {
		t.Fatalf("%+v", r)
	}
	do(t, m, batchOf(a, b))
	if r := do(t, m, batchOf(a, b, c)); r.Status != OK || r.Seq != 3 {
		t.Fatalf("%+v", r)
	}
	if r := do(t, m, batchOf(a)); r.Status != OK || r.Seq != 3 {
		t.Fatalf("sent twice: %+v", r)
	}
	other := &writer{inc: 7, seq: 1, prev: a.Hash()}
	if r := do(t, m, batchOf(other.entry(report(station, 9, 1)))); r.Status != Fork || r.At != 2 {
		t.Fatalf("%+v", r)
	}
	if k := kinds(t, m); k["report"] != 3 {
		t.Fatalf("%v", k)
	}
	got, err := m.ChainEntries(record.ChainID{Origin: station, Incarnation: 7, Lane: record.Urgent}, 2, 10)
	if err != nil || len(got) != 2 || got[0].Entry.Hash() != b.Hash() {
		t.Fatalf("what a rolled-back disk lacks: %d, %v", len(got), err)
	}
}

func TestMachine_RolledBackAndClonedDisks_AreNamed(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	a, b := w.entry(report(station, 1, 1)), w.entry(report(station, 2, 1))
	do(t, m, batchOf(a, b))
	back := &writer{inc: 8, pred: record.Head{Incarnation: 7, Lane: record.Urgent, Seq: 1, Hash: a.Hash()}}
	do(t, m, batchOf(back.entry(report(station, 3, 1))))
	said := func() string {
		t.Helper()
		rows, err := m.After(0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range rows {
			if r.Listed == record.KindAlarm {
				out = append(out, r.Body.Payload.Reason)
			}
		}
		return fmt.Sprint(out)
	}
	if got := said(); got != "[rollback]" {
		t.Fatalf("a shorter predecessor: %v", got)
	}
	twin := &writer{inc: 9, pred: back.pred}
	do(t, m, batchOf(twin.entry(report(station, 4, 1))))
	if got := said(); got != "[rollback rollback]" {
		t.Fatalf("a second successor: %v", got)
	}
	do(t, m, batchOf(back.entry(report(station, 5, 1))))
	if got := said(); got != "[rollback rollback clone]" {
		t.Fatalf("the first successor goes on: %v", got)
	}
	do(t, m, batchOf(back.entry(report(station, 6, 1)), twin.entry(report(station, 7, 1))))
	do(t, m, batchOf(back.entry(report(station, 8, 1))))
	if got := said(); got != "[rollback rollback clone]" {
		t.Fatalf("each life is named once: %v", got)
	}
}

// A life began and ended after the image was taken: the image's own
// predecessor is whole, and still the disk was rolled back.
func TestMachine_ImageOfBeforeALaterLife_IsARollback_AndACloneOnceBothGoOn(t *testing.T) {
	m := open(t)
	w := &writer{inc: 7}
	do(t, m, batchOf(w.entry(report(station, 1, 1))))
	head := record.Head{Incarnation: 7, Lane: record.Urgent, Seq: 1, Hash: w.prev}
	second := &writer{inc: 8, pred: head}
	do(t, m, batchOf(second.entry(report(station, 2, 1))))
	third := &writer{inc: 9, pred: record.Head{Incarnation: 8, Lane: record.Urgent, Seq: 1, Hash: second.prev}}
	do(t, m, batchOf(third.entry(report(station, 3, 1))))
	count := func(what string) (n int) {
		rows, err := m.After(0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Listed == record.KindAlarm && r.Body.Payload.Reason == what {
				n++
			}
		}
		return n
	}
	if count("rollback")+count("clone") != 0 {
		t.Fatal("ordinary starts were taken for a rollback or a clone")
	}
	image := &writer{inc: 10, pred: head}
	do(t, m, batchOf(image.entry(report(station, 4, 1))))
	do(t, m, batchOf(image.entry(report(station, 5, 1))))
	if count("rollback") != 1 || count("clone") != 0 {
		t.Fatalf("%d rollbacks, %d clones", count("rollback"), count("clone"))
	}
	do(t, m, batchOf(third.entry(report(station, 6, 1)))) // the first disk lives
	if count("clone") != 1 {
		t.Fatal("both disks go on, and no clone is named")
	}
}

func TestMachine_Claims_AreCompareAndSet(t *testing.T) {
	m := open(t)
	do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	claim := func(who string) Result {
		id := report(station, 1, 1).Incident
		b := &record.Body{ID: record.DerivedID("a", []byte(who)), Incident: id, Kind: record.KindClaim, Origin: record.CoreOrigin,
			Actor: record.Actor{Kind: record.ByOfficer, Name: who, Unit: "PC07"}}
		return do(t, m, Body(encode(t, b), nil))
	}
	first, second, again := claim("an"), claim("binh"), claim("an")
	if first.Status != OK || second.Status != Refused || second.Refusal.Holder.Officer != "an" || again.Hash != first.Hash {
		t.Fatalf("%+v %+v %+v", first, second, again)
	}
}

func TestMachine_MissedDeadline_IsSaidOnce(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	for i := range int64(40) {
		do(t, m, Tick(now+2000*i))
	}
	rows, _ := m.After(0, 100)
	n, all := 0, uint64(0)
	for _, r := range rows {
		if r.Listed == record.KindMissed {
			all++
		}
		if r.Listed == record.KindMissed && r.Body.Payload.Step == "claim" {
			n++
		}
	}
	if n != 1 {
		t.Fatalf("claim was called missed %d times", n)
	}
	if m.Missed() != all {
		t.Fatalf("%d missed deadlines are counted, of %d", m.Missed(), all)
	}
}

func TestMachine_Stations_AreListedWithWhatWaitsForThem(t *testing.T) {
	m := open(t)
	do(t, m, Station("26707"))
	do(t, m, Station("26704"))
	do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	list, err := m.Stations(10)
	if err != nil || len(list) != 2 || list[0].Ward != "26704" || list[1].Ward != "26707" {
		t.Fatalf("%+v %v", list, err)
	}
	for _, st := range list {
		_, out, err := m.Outbox(st.Ward, 0, 0)
		if err != nil || st.Waiting != uint64(out.Head-out.Acked) {
			t.Errorf("%+v, outbox %+v, %v", st, out, err)
		}
	}
	if list, err := m.Stations(1); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestMachine_Outbox_TellsWardsAndForgetsWhatTheyTook(t *testing.T) {
	m := open(t)
	do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	var told []record.WardCode
	rows, _ := m.Incident(report(station, 1, 1).Incident)
	for _, r := range rows {
		for _, u := range r.Body.Payload.Told {
			if w, ok := u.Ward(); ok {
				told = append(told, w)
			}
		}
	}
	if len(told) == 0 {
		t.Fatal("no ward was told")
	}
	out, st, err := m.Outbox(told[0], 0, 10)
	if err != nil || len(out) != 1 || len(out[0].Refs) != 1 || out[0].Refs[0].Whole.Zero() || st.Head != 1 || out[0].Hash != st.Hash {
		t.Fatalf("%+v %+v %v", out, st, err)
	}
	do(t, m, DownAck(told[0], 1))
	if out, st, _ = m.Outbox(told[0], 0, 10); len(out) != 0 || st.Acked != 1 {
		t.Fatalf("%+v %+v", out, st)
	}
}

// random draws commands of two stations and the core, some sent twice.
func random(r *rand.Rand) []LogEntry {
	var l log
	ws := []*writer{{inc: 7}, {inc: 9}}
	origins := []record.Origin{station, "ward-26740"}
	var sent [][]byte
	for range 20 + r.Intn(30) {
		var items [][]byte
		for range 1 + r.Intn(4) {
			n := r.Intn(25)
			switch r.Intn(6) {
			case 0:
				raw, _ := report(record.CoreOrigin, n, byte(r.Intn(2))).Encode()
				items = append(items, Body(raw, nil))
			case 1:
				id := report(station, n, 1).Incident
				b := record.Body{ID: record.DerivedID("a", []byte{byte(r.Intn(40))}), Incident: id, Kind: record.KindClaim, Origin: record.CoreOrigin,
					Actor: record.Actor{Kind: record.ByOfficer, Name: fmt.Sprint(r.Intn(3)), Unit: "PC07"}}
				raw, _ := b.Encode()
				items = append(items, Body(raw, nil))
			case 2:
				items = append(items, Tick(now+int64(r.Intn(1_000_000))))
			case 3:
				if len(sent) > 0 {
					items = append(items, sent[r.Intn(len(sent))])
				}
			default:
				i := r.Intn(2)
				var list []record.Entry
				for range 1 + r.Intn(5) {
					list = append(list, ws[i].entry(report(origins[i], r.Intn(25), byte(r.Intn(2)))))
				}
				b := batchOf(list...)
				sent = append(sent, b)
				items = append(items, b)
			}
		}
		l.add(items...)
	}
	return l.entries
}

func TestMachine_SameLog_AnySplitAndRestarts_SameDigest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		entries := random(r)
		a := mustOpen(t, t.TempDir())
		defer func() { _ = a.Close() }()
		if _, err := a.ApplyBatch(entries); err != nil {
			rt.Fatal(err)
		}
		dir := t.TempDir()
		b := mustOpen(t, dir)
		for i := 0; i < len(entries); {
			n := min(1+r.Intn(8), len(entries)-i)
			from := max(0, i-r.Intn(3)) // what was applied before is given again
			if _, err := b.ApplyBatch(entries[from : i+n]); err != nil {
				rt.Fatal(err)
			}
			i += n
			if r.Intn(6) == 0 {
				if err := b.Close(); err != nil {
					rt.Fatal(err)
				}
				b = mustOpen(t, dir)
			}
		}
		defer func() { _ = b.Close() }()
		da, err1 := a.Digest()
		db, err2 := b.Digest()
		if err1 != nil || err2 != nil || da != db {
			rt.Fatalf("%+v %+v %v %v", da, db, err1, err2)
		}
		seen := map[record.ID]int{}
		rows, err := a.After(0, 1_000_000)
		if err != nil {
			rt.Fatal(err)
		}
		for _, row := range rows {
			if row.Listed == record.KindReport {
				seen[row.Body.Payload.Report]++
			}
		}
		for id, n := range seen {
			if n != 1 {
				rt.Fatalf("report %s is listed %d times", id, n)
			}
		}
	})
}

func TestMachine_Snapshot_InstalledElsewhere_SameDigest(t *testing.T) {
	a := open(t)
	if _, err := a.ApplyBatch(random(rand.New(rand.NewSource(5)))); err != nil {
		t.Fatal(err)
	}
	index, _, size, r, err := a.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	do(t, a, Body(encode(t, report(record.CoreOrigin, 900, 1)), nil)) // after the snapshot's reading
	count := &counted{r: r}
	b := open(t)
	do(t, b, Body(encode(t, report(record.CoreOrigin, 901, 1)), nil)) // is replaced
	if err := b.Install(count); err != nil {
		t.Fatal(err)
	}
	if count.n != size {
		t.Fatalf("said %d bytes, gave %d", size, count.n)
	}
	if got, _ := b.Applied(); got != index {
		t.Fatalf("applied %d, snapshot says %d", got, index)
	}
	do(t, b, Body(encode(t, report(record.CoreOrigin, 900, 1)), nil))
	da, _ := a.Digest()
	db, _ := b.Digest()
	if da != db {
		t.Fatalf("%+v %+v", da, db)
	}
}

func TestMachine_DamagedSnapshot_KeepsTheOldState(t *testing.T) {
	a := open(t)
	do(t, a, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	before, _ := a.Digest()
	_, _, size, r, err := a.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil || int64(len(raw)) != size {
		t.Fatal(err)
	}
	for _, cut := range []int{10, len(raw) / 2, len(raw) - 1} {
		if err := a.Install(&counted{r: io.NopCloser(io.LimitReader(newBytes(raw), int64(cut)))}); err == nil {
			t.Fatal("a cut snapshot was installed")
		}
	}
	raw[len(raw)/2] ^= 1
	if err := a.Install(newBytes(raw)); err == nil {
		t.Fatal("a damaged snapshot was installed")
	}
	if after, _ := a.Digest(); after != before {
		t.Fatal("the old state is gone")
	}
}

type counted struct {
	r io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type byteReader struct{ b []byte }

func newBytes(b []byte) io.Reader { return &byteReader{b} }

func (r *byteReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

func FuzzCommand(f *testing.F) {
	f.Add(Tick(5))
	f.Add(batchOf((&writer{inc: 7}).entry(report(station, 1, 1))))
	f.Fuzz(func(t *testing.T, p []byte) {
		_, _ = decodeCommand(p)
	})
}

// A ward whose station never comes does not fill the city's disk.
func TestMachine_OutboxOfAWardThatNeverComes_IsBounded(t *testing.T) {
	m := open(t)
	const w = record.WardCode("26740")
	for range 5 {
		b := m.begin()
		for i := range 5000 {
			if err := errors.Join(b.outboxEntry(w, uint64(i)), b.seal()); err != nil {
				t.Fatal(err)
			}
			if err := b.breathe(); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.commit(); err != nil {
			t.Fatal(err)
		}
	}
	rows, st, err := m.Outbox(w, 0, 100_000)
	if err != nil || st.Head != 25_000 || st.Acked != 5000 || len(rows) != maxOutbox || rows[0].Seq != 5001 {
		t.Fatalf("%d rows, %+v, %v", len(rows), st, err)
	}
}

// A station's routing of its own comes before its report in a drain. Nothing of it
// goes back to where it came from; the city's routing does.
func TestMachine_StationRoutedAlone_IsNotSentItsOwnEntries(t *testing.T) {
	m := open(t)
	r, w := report(station, 1, 1), &writer{inc: 7}
	alone := &record.Body{ID: record.DerivedID("routed-alone", r.Incident[:], []byte(station)), Incident: r.Incident, Kind: record.KindRouted, Origin: station, Deps: []record.ID{r.ID},
		HLC: r.HLC + 1, ReceivedAt: now, Payload: record.Payload{Report: r.Incident, Lead: record.WardUnit("26704"), Told: []record.UnitID{record.WardUnit("26704"), record.WardUnit("26740")}}}
	do(t, m, batchOf(w.entry(alone)))
	if rows, _, err := m.Outbox("26704", 0, 10); err != nil || len(rows) != 0 {
		t.Fatalf("its own routing goes back to the station: %+v %v", rows, err)
	}
	if rows, _, err := m.Outbox("26740", 0, 10); err != nil || len(rows) != 1 || rows[0].Refs[0].Whole != r.Incident {
		t.Fatalf("the other ward was not told: %+v %v", rows, err)
	}
	do(t, m, batchOf(w.entry(r)))
	rows, _, err := m.Outbox("26704", 0, 10)
	if err != nil || len(rows) != 1 || len(rows[0].Refs) != 1 || !rows[0].Refs[0].Whole.Zero() {
		t.Fatalf("%+v %v", rows, err)
	}
	if e, err := m.Entry(rows[0].Refs[0].Index); err != nil || e.Body.Kind != record.KindRouted || e.Body.Origin != record.CoreOrigin {
		t.Fatalf("%+v %v", e, err)
	}
}
