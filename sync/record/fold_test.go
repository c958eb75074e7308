package record

import (
	"bytes"
	"math/rand"
	"testing"

	"pgregory.net/rapid"
)

var incidentID = ID{1}

// history draws a set of entries as several desks would write them: each has
// seen some of what was there.
func history(t *rapid.T) []Body {
	origins := []Origin{"core", "ward-26704", "ward-26740"}
	units := []UnitID{"ward/26704", "ward/26740", "PC07", Command}
	officers := []string{"an", "binh", "chi"}
	kinds := []Kind{KindReport, KindRouted, KindClaim, KindRelease, KindClassify, KindVerify, KindForward, KindAccept,
		KindDispatch, KindArrive, KindResolve, KindClose, KindReopen, KindNote, KindMerge, KindSplit, KindPark,
		KindHandover, KindWithdraw, KindRedact, KindSuggested, KindMissed, KindSignal, KindVoid}
	n := rapid.IntRange(1, 24).Draw(t, "entries")
	var out []Body
	for i := range n {
		var b Body
		b.ID = DerivedID("test", []byte{byte(i)})
		b.Incident = incidentID
		b.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
		b.Origin = rapid.SampledFrom(origins).Draw(t, "origin")
		b.HLC = HLC(rapid.Uint64Range(1, 6).Draw(t, "hlc"))
		b.Clock = ClockState(rapid.IntRange(0, 1).Draw(t, "clock"))
		b.Actor = Actor{Kind: ByOfficer, Name: rapid.SampledFrom(officers).Draw(t, "officer"), Unit: rapid.SampledFrom(units).Draw(t, "unit")}
		b.Payload.Epoch = uint32(rapid.IntRange(0, 1).Draw(t, "epoch"))
		b.Payload.Category = rapid.SampledFrom(Categories).Draw(t, "category")
		b.Payload.Priority = Priority(rapid.IntRange(0, 4).Draw(t, "priority"))
		b.Payload.ToUnit = rapid.SampledFrom(units).Draw(t, "to")
		b.Payload.Lead = rapid.SampledFrom(units).Draw(t, "lead")
		b.Payload.Told = []UnitID{b.Payload.Lead}
		b.Payload.Fingerprint = Hash{byte(rapid.IntRange(1, 2).Draw(t, "fingerprint"))}
		b.Payload.Report = incidentID
		if len(out) > 0 {
			for range rapid.IntRange(0, 3).Draw(t, "deps") {
				b.Deps = append(b.Deps, out[rapid.IntRange(0, len(out)-1).Draw(t, "dep")].ID)
			}
			b.Payload.Target = out[rapid.IntRange(0, len(out)-1).Draw(t, "target")].ID
		}
		b.Payload.Incidents = []ID{{2}}
		out = append(out, b)
	}
	return out
}

func TestFold_AnyOrderRepetitionOrSplit_GivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := history(t)
		want := Fold(incidentID, all).Canonical()
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "shuffle")))
		again := append([]Body(nil), all...)
		for range r.Intn(6) {
			again = append(again, all[r.Intn(len(all))])
		}
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := Fold(incidentID, again).Canonical(); !bytes.Equal(got, want) {
			t.Fatalf("another order gave another incident\n%s\n%s", want, got)
		}
	})
}

func TestFold_ThroughTheCodec_GivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := history(t)
		var back []Body
		for i := range all {
			raw, err := all[i].Encode()
			if err != nil {
				t.Fatal(err)
			}
			b, err := DecodeBody(raw)
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, b)
		}
		if !bytes.Equal(Fold(incidentID, back).Canonical(), Fold(incidentID, all).Canonical()) {
			t.Fatal("encoding changed the incident")
		}
	})
}

// writer writes entries by hand, each with what it has seen.
type desk struct{ bodies []Body }

func (d *desk) add(kind Kind, origin Origin, hlc HLC, who string, unit UnitID, seen []ID, edit ...func(*Body)) ID {
	b := Body{ID: DerivedID("desk", []byte{byte(len(d.bodies))}), Incident: incidentID, Kind: kind, Origin: origin, HLC: hlc,
		Clock: ClockSure, Actor: Actor{ByOfficer, who, unit}, Deps: seen}
	if kind == KindReport {
		b.Actor.Kind = ByDevice
		b.Payload.Category, b.Payload.Report = Fire, incidentID
	}
	if kind == KindRouted {
		b.Actor.Kind = BySystem
		b.Payload.Lead, b.Payload.Told = "ward/26704", []UnitID{"PC07", Command}
	}
	for _, e := range edit {
		e(&b)
	}
	d.bodies = append(d.bodies, b)
	return b.ID
}

func (d *desk) fold() *Incident { return Fold(incidentID, d.bodies) }

func opened() (*desk, ID) {
	d := &desk{}
	r := d.add(KindReport, "ward-26704", 10, "app-1", "", nil)
	return d, d.add(KindRouted, "core", 11, "", "", []ID{r})
}

const w26704 = UnitID("ward/26704")

func TestFold_LateClaim_NeverReopensNorSteals(t *testing.T) {
	d, routed := opened()
	d.add(KindClaim, "ward-26704", 12, "an", w26704, []ID{routed})
	last := d.add(KindClose, "ward-26704", 20, "an", w26704, []ID{d.bodies[2].ID})
	d.add(KindClaim, "core", 11, "binh", w26704, []ID{routed}) // made earlier elsewhere, arrives late
	in := d.fold()
	if in.Status != "closed" || in.Open() {
		t.Fatalf("a late claim reopened: %s", in.Status)
	}
	u, _ := in.Unit(w26704)
	if u.Holder == nil || u.Holder.Officer != "an" || len(u.Others) != 1 || u.Others[0].Officer != "binh" {
		t.Fatalf("the claim at the unit's home must stand and the other be shown: %+v", u)
	}
	if len(in.AfterClose) == 0 {
		t.Fatalf("activity beside the close %s is not flagged", last)
	}
}

func TestFold_ConcurrentEdits_LoserStaysVisibleUntilSomeoneSawBoth(t *testing.T) {
	d, routed := opened()
	cat := func(c Category) func(*Body) { return func(b *Body) { b.Payload.Category = c } }
	a := d.add(KindClassify, "ward-26704", 20, "an", w26704, []ID{routed}, cat(Crime))
	b := d.add(KindClassify, "core", 21, "chi", Command, []ID{routed}, cat(Security))
	in := d.fold()
	if in.Category != Security || len(in.Conflicts) != 1 || in.Conflicts[0].Others[0].Value != string(Crime) || in.Conflicts[0].Others[0].By.Name != "an" {
		t.Fatalf("conflict is not visible with its author: %s %+v", in.Category, in.Conflicts)
	}
	d.add(KindClassify, "core", 30, "chi", Command, []ID{b}, cat(Panic)) // has not seen a
	if in = d.fold(); len(in.Conflicts) != 1 {
		t.Fatalf("an edit that saw one of two must not settle: %+v", in.Conflicts)
	}
	d.add(KindClassify, "ward-26704", 31, "an", w26704, []ID{a, d.bodies[4].ID}, cat(Crime))
	if in = d.fold(); len(in.Conflicts) != 0 || in.Category != Crime {
		t.Fatalf("an edit that saw both must settle: %s %+v", in.Category, in.Conflicts)
	}
}

func TestFold_SureClockBeatsUnsure(t *testing.T) {
	d, routed := opened()
	d.add(KindClassify, "core", 20, "chi", Command, []ID{routed}, func(b *Body) { b.Payload.Category = Crime })
	d.add(KindClassify, "ward-26704", 1<<60, "an", w26704, []ID{routed}, func(b *Body) { b.Payload.Category, b.Clock = Panic, ClockUnsure })
	if in := d.fold(); in.Category != Crime {
		t.Fatalf("a clock without a battery won: %s", in.Category)
	}
}

func TestFold_Reopen_NeedsToHaveSeenTheClose(t *testing.T) {
	d, routed := opened()
	claim := d.add(KindClaim, "ward-26704", 12, "an", w26704, []ID{routed})
	end := d.add(KindClose, "ward-26704", 20, "an", w26704, []ID{claim})
	epoch1 := func(b *Body) { b.Payload.Epoch = 1 }
	d.add(KindReopen, "core", 30, "chi", Command, []ID{claim}, epoch1)
	if in := d.fold(); in.Status != "closed" {
		t.Fatalf("a reopening that had not seen the close counted: %s", in.Status)
	}
	d.add(KindReopen, "core", 31, "chi", Command, []ID{end}, epoch1)
	in := d.fold()
	u, _ := in.Unit(w26704)
	if in.Status != "received" || in.Epoch != 1 || u.Holder != nil {
		t.Fatalf("reopened must be received with holders empty: %s epoch %d %+v", in.Status, in.Epoch, u.Holder)
	}
}

func TestFold_Withdraw_UndoesAndCanBeUndone(t *testing.T) {
	d, routed := opened()
	v := d.add(KindVerify, "ward-26704", 20, "an", w26704, []ID{routed})
	w := d.add(KindWithdraw, "ward-26704", 21, "an", w26704, []ID{v}, func(b *Body) { b.Payload.Target = v })
	if in := d.fold(); in.Status != "received" || len(in.Withdrawn) != 1 {
		t.Fatalf("undo did not undo: %s", in.Status)
	}
	d.add(KindWithdraw, "ward-26704", 22, "an", w26704, []ID{w}, func(b *Body) { b.Payload.Target = w })
	if in := d.fold(); in.Status != "verified" {
		t.Fatalf("undoing the undo: %s", in.Status)
	}
	d.add(KindWithdraw, "ward-26704", 23, "an", w26704, []ID{w}, func(b *Body) { b.Payload.Target = d.bodies[0].ID })
	if in := d.fold(); in.Stub {
		t.Fatal("a report was withdrawn")
	}
}

func TestFold_Forward_LeadChangesOnlyWhenAccepted(t *testing.T) {
	d, routed := opened()
	f := d.add(KindForward, "ward-26704", 20, "an", w26704, []ID{routed}, func(b *Body) { b.Payload.ToUnit = "PC02" })
	in := d.fold()
	if u, told := in.Unit("PC02"); in.Lead != w26704 || !told || u.Progress != Told {
		t.Fatalf("forwarded: lead %s, %+v", in.Lead, u)
	}
	d.add(KindAccept, "core", 21, "dung", "PC02", []ID{f})
	in = d.fold()
	mine, _ := in.Unit(w26704)
	theirs, _ := in.Unit("PC02")
	if in.Lead != "PC02" || mine.Progress != Forwarded || theirs.Progress != Accepted {
		t.Fatalf("accepted: lead %s, %v, %v", in.Lead, mine.Progress, theirs.Progress)
	}
}

func TestFold_ClaimInOneUnit_LeavesTheOthersRinging(t *testing.T) {
	d, routed := opened()
	d.add(KindClaim, "core", 12, "dung", "PC07", []ID{routed})
	in := d.fold()
	if u, _ := in.Unit(w26704); u.Holder != nil || u.Progress != Told {
		t.Fatalf("a claim elsewhere stopped the ward's bell: %+v", u)
	}
	if in.Status != "claimed" {
		t.Fatalf("status %s", in.Status)
	}
}

func TestFold_ReportNotYetRouted_IsSeenByTheWardThatTookIt(t *testing.T) {
	d, _ := opened()
	in := Fold(incidentID, d.bodies[:1])
	if _, told := in.Unit(w26704); !told {
		t.Fatalf("the ward that took the report does not see it: %+v", in.Units)
	}
}

func TestFold_EntriesWithoutTheirReport_AreAStub(t *testing.T) {
	d, _ := opened()
	in := Fold(incidentID, d.bodies[1:])
	if !in.Stub || len(in.Missing) != 1 || in.Lead != w26704 {
		t.Fatalf("stub %v, missing %v, lead %s", in.Stub, in.Missing, in.Lead)
	}
}

func TestFold_MergeAndSplit(t *testing.T) {
	d, routed := opened()
	other := ID{9}
	m := d.add(KindMerge, "core", 20, "chi", Command, []ID{routed}, func(b *Body) { b.Payload.Incidents = []ID{other} })
	in := d.fold()
	far := Fold(other, d.bodies[2:3])
	if len(in.Edges) != 1 || in.Edges[0].Other != other || len(far.Edges) != 1 || far.Edges[0].Other != incidentID {
		t.Fatalf("edges %v %v", in.Edges, far.Edges)
	}
	g := Group(other, func(id ID) []ID {
		if id == other {
			return []ID{incidentID}
		}
		return []ID{other}
	}, 10)
	if len(g) != 2 || g[0] != incidentID {
		t.Fatalf("the group's head is the smallest id: %v", g)
	}
	d.add(KindSplit, "core", 21, "chi", Command, []ID{m}, func(b *Body) { b.Payload.Target = m })
	if in = d.fold(); len(in.Edges) != 0 {
		t.Fatalf("split left %v", in.Edges)
	}
}

func TestFold_OtherContentUnderTheSameID_IsKeptApart(t *testing.T) {
	d, _ := opened()
	d.bodies[0].Payload.Fingerprint = Hash{1}
	d.add(KindReport, "core", 30, "app-2", "", nil, func(b *Body) { b.Payload.Fingerprint, b.Payload.Category = Hash{2}, Feedback })
	in := d.fold()
	if in.Category != Fire || len(in.OtherContent) != 1 || in.Flags&FlagOtherContent == 0 {
		t.Fatalf("%s %v", in.Category, in.OtherContent)
	}
}

func TestFold_ReleaseOfOneClaim_LeavesAConcurrentOne(t *testing.T) {
	d, routed := opened()
	a := d.add(KindClaim, "ward-26704", 12, "an", w26704, []ID{routed})
	d.add(KindClaim, "core", 13, "binh", w26704, []ID{routed})
	d.add(KindRelease, "ward-26704", 14, "an", w26704, []ID{a}, func(b *Body) { b.Payload.Target = a })
	u, _ := d.fold().Unit(w26704)
	if u.Holder == nil || u.Holder.Officer != "binh" {
		t.Fatalf("%+v", u)
	}
}

func TestCheck_SecondClaimOfAUnit_IsRefusedWithItsHolder(t *testing.T) {
	d, routed := opened()
	d.add(KindClaim, "ward-26704", 12, "an", w26704, []ID{routed})
	in := d.fold()
	b := Body{Kind: KindClaim, Actor: Actor{ByOfficer, "binh", w26704}}
	in.Stamp(&b)
	r, ok := in.Check(&b).(*Refusal)
	if !ok || r.Code != "held" || r.Holder.Officer != "an" {
		t.Fatalf("%v", r)
	}
	b.Actor.Unit = "PC07"
	if err := in.Check(&b); err != nil {
		t.Fatalf("another unit's claim: %v", err)
	}
}

func TestSeen_RoundTrip(t *testing.T) {
	ids := []ID{{1}, {2}}
	got, err := DecodeSeen(EncodeSeen(ids))
	if err != nil || len(got) != 2 || got[1] != ids[1] {
		t.Fatal(got, err)
	}
	if _, err := DecodeSeen("v1.!!"); err == nil {
		t.Fatal("nonsense was read as a version")
	}
}

func BenchmarkFold(b *testing.B) {
	d, _ := opened()
	b.Run("entries=2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Fold(incidentID, d.bodies)
		}
	})
}

// TestOpened_ChangesNothingButTheTimeline: who looked at a name neither takes an
// incident up nor is taken back.
func TestOpened_ChangesNothingButTheTimeline(t *testing.T) {
	report := Body{ID: ID{1}, Incident: ID{9}, Kind: KindReport, Origin: StationOrigin("26704"), HLC: 1, Payload: Payload{Report: ID{9}, Category: Fire}}
	closed := Body{ID: ID{2}, Incident: ID{9}, Kind: KindClose, Origin: CoreOrigin, HLC: 2, Deps: []ID{{1}}, Actor: Actor{Kind: ByOfficer, Name: "an", Unit: Command}}
	opened := Body{ID: ID{3}, Incident: ID{9}, Kind: KindOpened, Origin: CoreOrigin, HLC: 3, Deps: []ID{{1}}, Actor: Actor{Kind: ByOfficer, Name: "an", Unit: Command}, Payload: Payload{Target: ID{1}, Reason: "call_back"}}
	before, after := Fold(ID{9}, []Body{report, closed}), Fold(ID{9}, []Body{report, closed, opened})
	if after.Status != before.Status || len(after.AfterClose) != 0 || len(after.Order) != 3 {
		t.Errorf("%+v", after)
	}
	if err := before.Check(&opened); err != nil {
		t.Errorf("of a closed incident: %v", err)
	}
	undo := Body{ID: ID{4}, Incident: ID{9}, Kind: KindWithdraw, Origin: CoreOrigin, HLC: 4, Deps: []ID{{3}}, Actor: opened.Actor, Payload: Payload{Target: ID{3}}}
	if after.Check(&undo) == nil {
		t.Error("an opening is taken back")
	}
	if f := Fold(ID{9}, []Body{report, closed, opened, undo}); len(f.Withdrawn) != 0 {
		t.Errorf("withdrawn: %v", f.Withdrawn)
	}
	if _, ok := ActionKind("opened"); ok {
		t.Error("an opening without what it opens")
	}
}

// TestErasure_CoversWhatComesLate_NotWhatIsNew: the sealed part of an entry that was
// written before the incident was opened again is erased whenever it comes.
func TestErasure_CoversWhatComesLate_NotWhatIsNew(t *testing.T) {
	by := Actor{Kind: ByOfficer, Name: "an", Unit: Command}
	report := Body{ID: ID{1}, Incident: ID{9}, Kind: KindReport, Origin: StationOrigin("26704"), HLC: 1, Payload: Payload{Report: ID{9}, Category: Fire}}
	closed := Body{ID: ID{2}, Incident: ID{9}, Kind: KindClose, Origin: CoreOrigin, HLC: 2, Deps: []ID{{1}}, Actor: by}
	erasure := Body{ID: ID{3}, Incident: ID{9}, Kind: KindErasure, Origin: CoreOrigin, HLC: 3, Deps: []ID{{2}}, Actor: by, Payload: Payload{Reason: "request"}}
	if err := Fold(ID{9}, []Body{report}).CheckErasure(&erasure); err == nil {
		t.Error("an open incident is erased")
	}
	done := Fold(ID{9}, []Body{report, closed})
	if err := done.CheckErasure(&erasure); err != nil {
		t.Fatal(err)
	}
	in := Fold(ID{9}, []Body{report, closed, erasure})
	late := Body{ID: ID{4}, Incident: ID{9}, Kind: KindNote, Origin: StationOrigin("26704"), HLC: 9, Actor: by, Payload: Payload{Sealed: &Sealed{}}}
	if in.Status != "closed" || in.Erased == nil || !in.Erased.Covers(&late) || len(in.AfterClose) != 0 {
		t.Errorf("%+v", in)
	}
	if in.Check(&late) == nil || in.CheckErasure(&erasure) == nil {
		t.Error("a note that nobody could read is taken, or the same is erased again")
	}
	reopened := Body{ID: ID{5}, Incident: ID{9}, Kind: KindReopen, Origin: CoreOrigin, HLC: 10, Deps: []ID{{3}}, Actor: by, Payload: Payload{Epoch: 1}}
	in = Fold(ID{9}, []Body{report, closed, erasure, reopened})
	fresh := late
	in.Stamp(&fresh)
	if in.Erased.Covers(&fresh) || in.Check(&fresh) != nil {
		t.Errorf("what is new: %+v, %v", in.Erased, in.Check(&fresh))
	}
	undo := Body{ID: ID{6}, Incident: ID{9}, Kind: KindWithdraw, Origin: CoreOrigin, HLC: 11, Deps: []ID{{5}}, Actor: by, Payload: Payload{Target: ID{3}, Epoch: 1}}
	if in.Check(&undo) == nil || Fold(ID{9}, []Body{report, closed, erasure, reopened, undo}).Erased == nil {
		t.Error("an erasure is taken back")
	}
}
