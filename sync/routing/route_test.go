package routing

import (
	"math"
	"slices"
	"testing"
	"time"

	"wardline/sync/record"
)

// square is a ward of the given size around a centre, all in E7 units.
func square(code string, lat, lon, half int32) Ward {
	return Ward{Code: record.WardCode(code), Name: "Ward " + code, Centre: Point{lat, lon}, Polygons: []Polygon{{Outer: Ring{
		{lat - half, lon - half}, {lat - half, lon + half}, {lat + half, lon + half}, {lat + half, lon - half}}}}}
}

func mustWards(t testing.TB, list ...Ward) *Wards {
	t.Helper()
	w, err := NewWards(7, list)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func at(lat, lon int32, accuracyM uint32) *record.Place {
	return &record.Place{LatE7: lat, LonE7: lon, AccuracyCM: accuracyM * 100}
}

const (
	lat0 = 107_000_000 // 10.7°
	lon0 = 1_067_000_000
	km   = 89_932 // units of latitude, rounded down
)

// row is four wards of 2 km side by side, west to east, 00001 to 00004.
func row(t testing.TB) *Wards {
	step := int32(2 * km * 1_000_000 / 982_613) // longitude is shorter at 10.7°
	var list []Ward
	for i := range int32(4) {
		w := square("0000"+string(rune('1'+i)), lat0, lon0+i*step, km)
		o := w.Polygons[0].Outer
		for k := range o {
			o[k].LonE7 = w.Centre.LonE7 - step/2
			if k == 1 || k == 2 {
				o[k].LonE7 += step
			}
		}
		list = append(list, w)
	}
	return mustWards(t, list...)
}

func wardsOf(told []record.UnitID) (out []string) {
	for _, u := range told {
		if w, ok := u.Ward(); ok {
			out = append(out, string(w))
		}
	}
	return out
}

func TestRoute_InsideAWard_ThatWardLeadsDepartmentsAndCommandAreTold(t *testing.T) {
	d := Route(nil, row(t), Input{Category: record.Fire, Place: at(lat0, lon0, 0)})
	if d.Lead != "ward/00001" || d.Basis != ByBoundary || d.Approximate || d.Outside || d.SnappedM != 0 {
		t.Fatalf("%+v", d)
	}
	if want := []record.UnitID{"PC07", "command", "ward/00001"}; !slices.Equal(d.Told, want) {
		t.Errorf("told %v, want %v", d.Told, want)
	}
	if d.Priority != 1 || d.Lane != record.Urgent || d.RulesVersion != 0 || d.WardsVersion != 7 || d.Algorithm != Algorithm {
		t.Errorf("%+v", d)
	}
}

func TestRoute_AccuracyCircle_TellsTheNeighboursItTouches(t *testing.T) {
	w := row(t)
	east := w.list[0].Polygons[0].Outer[1].LonE7 // side between 00001 and 00002
	p := east - 100*km/1000                      // about 98 m west of it
	for _, c := range []struct {
		accuracy uint32
		want     []string
	}{{0, []string{"00001"}}, {90, []string{"00001"}}, {110, []string{"00001", "00002"}}, {2100, []string{"00001", "00002", "00003"}}} {
		d := Route(nil, w, Input{Category: record.Crime, Place: at(lat0, p, c.accuracy)})
		if got := wardsOf(d.Told); d.Lead != "ward/00001" || !slices.Equal(got, c.want) {
			t.Errorf("accuracy %d m: lead %s told %v, want %v", c.accuracy, d.Lead, got, c.want)
		}
	}
}

// grid is n × n wards of 1 km.
func grid(t testing.TB, n int32) *Wards {
	var list []Ward
	for i := range n * n {
		list = append(list, square(wardCode(int(i)), lat0+i/n*km, lon0+i%n*km, km/2))
	}
	return mustWards(t, list...)
}

func wardCode(i int) string {
	b := []byte("10000")
	for k := 4; i > 0; k-- {
		b[k] += byte(i % 10)
		i /= 10
	}
	return string(b)
}

func TestRoute_Accuracy5000m_ToldWardsAreCappedToTheNearest(t *testing.T) {
	w := grid(t, 12)
	centre := 5*12 + 5
	p := w.list[centre].Centre
	d := Route(nil, w, Input{Category: record.Panic, Place: at(p.LatE7, p.LonE7, 5000), DeviceWard: "10000"})
	got := wardsOf(d.Told)
	if !d.Capped || len(got) != MaxToldWards+1 {
		t.Fatalf("capped %v, told %v", d.Capped, got)
	}
	// The four that share a side and three of those that share a corner.
	for _, i := range []int{centre, centre - 1, centre + 1, centre - 12, centre + 12} {
		if !slices.Contains(got, wardCode(i)) {
			t.Errorf("ward %s is not told", wardCode(i))
		}
	}
	if !slices.Contains(got, "10000") {
		t.Error("the device's own ward is told beyond the cap")
	}
	if d := Route(nil, w, Input{Category: record.Panic, Place: at(p.LatE7, p.LonE7, 100)}); d.Capped {
		t.Error("not capped with 100 m")
	}
}

func TestRoute_PlaceInAnotherWard_BothKnow(t *testing.T) {
	d := Route(nil, row(t), Input{Category: record.Security, Place: at(lat0, lon0, 0), DeviceWard: "00004"})
	if got := wardsOf(d.Told); d.Lead != "ward/00001" || !slices.Equal(got, []string{"00001", "00004"}) {
		t.Errorf("lead %s told %v", d.Lead, got)
	}
}

func TestRoute_OutsideAllWards_SnapsWithDistance(t *testing.T) {
	d := Route(nil, row(t), Input{Category: record.Fire, Place: at(lat0+km+km/2, lon0, 0)})
	if d.Lead != "ward/00001" || d.Basis != BySnap || !d.Outside || d.Approximate {
		t.Fatalf("%+v", d)
	}
	if d.SnappedM < 498 || d.SnappedM > 503 {
		t.Errorf("snapped %d m, want about 500", d.SnappedM)
	}
	if d.Flags() != record.FlagOutside {
		t.Errorf("flags %b", d.Flags())
	}
}

func TestRoute_BetweenTwoBanks_BothAreTold(t *testing.T) {
	w := mustWards(t, square("00001", lat0, lon0, km), square("00002", lat0+2*km+300, lon0, km)) // a gap of 3 m
	d := Route(nil, w, Input{Category: record.Fire, Place: at(lat0+km+140, lon0, 0)})
	if d.Lead != "ward/00001" || d.SnappedM != 2 || len(wardsOf(d.Told)) != 2 {
		t.Errorf("%+v", d)
	}
}

func TestRoute_FarOutside_TheDevicesWardLeadsAndItIsFlagged(t *testing.T) {
	for name, w := range map[string]*Wards{"boundaries": row(t), "centres": Centres()} {
		for _, p := range []*record.Place{at(0, 0, 0), at(lat0+60*km, lon0-90*km, 5), at(lat0, lon0-maxLon, 0), at(-maxLat, 0, 0),
			{LatE7: math.MaxInt32, LonE7: math.MinInt32, AccuracyCM: math.MaxUint32}} {
			if name == "centres" {
				p.LatE7 += 10 * degree // the city reaches far to the west
			}
			d := Route(nil, w, Input{Category: record.Fire, Place: p, DeviceWard: "26704"})
			if d.Lead != "ward/26704" || d.Basis != ByDevice || !d.Outside || !slices.Equal(wardsOf(d.Told), []string{"26704"}) {
				t.Errorf("%s %+v: %+v", name, *p, d)
			}
		}
	}
}

func TestRoute_NoPlace_TheDevicesWardLeads(t *testing.T) {
	d := Route(nil, row(t), Input{Category: record.Panic, DeviceWard: "00003"})
	if d.Lead != "ward/00003" || d.Basis != ByDevice || d.Outside || d.Approximate {
		t.Errorf("%+v", d)
	}
}

func TestRoute_NeitherPlaceNorWard_TheCommandCentreLeads(t *testing.T) {
	for _, code := range []record.WardCode{"", "26", "ward"} {
		d := Route(nil, nil, Input{Category: record.Panic, DeviceWard: code})
		if d.Lead != record.Command || d.Basis != ByCommand || !slices.Equal(d.Told, []record.UnitID{"PC02", "PK02", "command"}) {
			t.Errorf("%q: %+v", code, d)
		}
	}
}

func TestRoute_CentresOnly_IsApproximateAndTellsCentresUpToHalfAsFarAgain(t *testing.T) {
	var list []Ward
	for i, m := range []int32{-1000, 1490, 1510, 4000} { // metres east of the place
		list = append(list, Ward{Code: record.WardCode(wardCode(i)), Name: "x", Centre: Point{0, m * km / 1000}})
	}
	d := Route(nil, mustWards(t, list...), Input{Category: record.Fire, Place: at(0, 0, 0)})
	if d.Lead != "ward/10000" || !d.Approximate || d.Basis != ByCentre || d.Outside || d.Flags() != record.FlagApproximate {
		t.Fatalf("%+v", d)
	}
	if got := wardsOf(d.Told); !slices.Equal(got, []string{"10000", "10001"}) {
		t.Errorf("told %v", got)
	}
	d = Route(nil, mustWards(t, list...), Input{Category: record.Fire, Place: at(0, 0, 300)}) // 1510 ≤ 1000 + 2 × 300
	if got := wardsOf(d.Told); !slices.Equal(got, []string{"10000", "10001", "10002"}) {
		t.Errorf("with 300 m told %v", got)
	}
}

func TestRoute_BuiltInCentres_SaiGon(t *testing.T) {
	d := Route(nil, nil, Input{Category: record.Fire, Place: at(107765000, 1067009000, 10)})
	if d.Lead != "ward/26740" || !d.Approximate || d.WardsVersion != 0 {
		t.Errorf("%+v", d)
	}
}

func TestRoute_SomeWardsWithoutBoundary_PlaceInNoneLeadsToTheBareOne(t *testing.T) {
	bare := Ward{Code: "00009", Name: "x", Centre: Point{lat0 + 2*km, lon0}}
	w := mustWards(t, square("00001", lat0, lon0, km), bare)
	d := Route(nil, w, Input{Category: record.Fire, Place: at(lat0+km+km/10, lon0, 0)})
	// 100 m outside 00001, 900 m from the bare centre: nearer to it than to 00001's centre.
	if d.Lead != "ward/00009" || !d.Approximate || !slices.Equal(wardsOf(d.Told), []string{"00001", "00009"}) {
		t.Errorf("%+v", d)
	}
	d = Route(nil, w, Input{Category: record.Fire, Place: at(lat0-km-km/10, lon0, 0)})
	if d.Lead != "ward/00001" || d.Basis != BySnap || d.Approximate {
		t.Errorf("on the other side: %+v", d)
	}
}

func TestRoute_EnclaveWithoutHole_TheSmallerWardLeadsBothAreTold(t *testing.T) {
	w := mustWards(t, square("00001", lat0, lon0, 10*km), square("00002", lat0, lon0, km))
	d := Route(nil, w, Input{Category: record.Fire, Place: at(lat0, lon0, 0)})
	if d.Lead != "ward/00002" || len(wardsOf(d.Told)) != 2 {
		t.Errorf("%+v", d)
	}
}

func TestRoute_Hole_IsNotInTheWard(t *testing.T) {
	ring := square("00001", lat0, lon0, 10*km)
	ring.Polygons[0].Holes = []Ring{square("x", lat0, lon0, km).Polygons[0].Outer}
	d := Route(nil, mustWards(t, ring), Input{Category: record.Fire, Place: at(lat0, lon0, 0)})
	if d.Basis != BySnap || d.SnappedM < 980 || d.SnappedM > 1003 { // longitude is shorter
		t.Errorf("%+v", d)
	}
}

func TestRoute_Deadlines_RunFromCapture(t *testing.T) {
	const captured, received = 1_767_225_600_000, 1_767_225_700_000
	for _, c := range []struct {
		name string
		in   Input
		base int64
	}{
		{"captured", Input{CapturedAt: captured, ReceivedAt: received}, captured},
		{"in doubt", Input{CapturedAt: captured, ReceivedAt: received, ClockInDoubt: true}, received},
		{"missing", Input{ReceivedAt: received}, received},
		{"from the future", Input{CapturedAt: received + 1, ReceivedAt: received}, received},
		{"never received", Input{CapturedAt: captured}, captured},
	} {
		c.in.Category = record.Crime
		d := Route(nil, nil, c.in)
		want := []record.Deadline{{Step: "claim", At: c.base + 180_000}, {Step: "verify", At: c.base + 600_000},
			{Step: "dispatch", At: c.base + 900_000}, {Step: "resolve", At: c.base + 20*86_400_000}}
		if !slices.Equal(d.Deadlines, want) {
			t.Errorf("%s: %v, want %v", c.name, d.Deadlines, want)
		}
	}
	d := Route(nil, nil, Input{Category: record.Crime, CapturedAt: math.MaxInt64 - 1})
	if d.Deadlines[0].At != math.MaxInt64 {
		t.Error("the end of time does not overflow")
	}
}

func TestRoute_SilentAlarm_IsAtLeastAPanic(t *testing.T) {
	d := Route(nil, nil, Input{Category: record.Security, Silent: true, CapturedAt: 1})
	if d.Priority != 1 || d.Lane != record.Urgent || !slices.Equal(d.Told, []record.UnitID{"PC02", "PC06", "PK02", "command"}) {
		t.Errorf("%+v", d)
	}
	want := []record.Deadline{{Step: "claim", At: 60_001}, {Step: "verify", At: 180_001}, {Step: "dispatch", At: 300_001}, {Step: "resolve", At: 14_400_001}}
	if !slices.Equal(d.Deadlines, want) {
		t.Errorf("%v", d.Deadlines)
	}
}

func TestRoute_UnknownCategory_IsAnEmergency(t *testing.T) {
	if d := Route(nil, nil, Input{Category: "flood"}); d.Priority != 1 || d.Lane != record.Urgent || len(d.Told) != 3 {
		t.Errorf("%+v", d)
	}
}

func TestRoute_Medical_ShowsAContact(t *testing.T) {
	d := Route(nil, nil, Input{Category: record.Medical})
	if !slices.Equal(d.Contacts, []string{"115"}) || !slices.Equal(d.Told, []record.UnitID{"command"}) {
		t.Errorf("%+v", d)
	}
}

func TestRoute_DecisionDoesNotShareMemoryWithTheRules(t *testing.T) {
	r := DefaultRules()
	d := Route(r, nil, Input{Category: record.Medical})
	d.Contacts[0] = "999"
	if r.Categories[record.Medical].Contacts[0] != "115" {
		t.Error("a caller changed the rules through a decision")
	}
}

func TestMissedID_IsOneValueForever(t *testing.T) {
	id, err := record.ParseID("018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")
	if err != nil {
		t.Fatal(err)
	}
	// Stations and cores of every version must agree.
	if got := MissedID(id, StepClaim, 0).String(); got != "218a1f73-4ba0-81fd-aaf6-49a07b0f26ef" {
		t.Errorf("%s", got)
	}
	seen := map[record.ID]bool{}
	for _, s := range Steps {
		for epoch := range uint32(3) {
			seen[MissedID(id, s, epoch)] = true
		}
	}
	if len(seen) != 3*len(Steps) {
		t.Error("two steps or epochs share an id")
	}
}

func TestDefaultRules_AreTheSampleTable(t *testing.T) {
	for _, c := range []struct {
		category record.Category
		priority record.Priority
		lane     record.LaneID
		claim    time.Duration
		told     []record.UnitID
	}{
		{record.Panic, 1, record.Urgent, time.Minute, []record.UnitID{"PC02", "PK02"}},
		{record.Fire, 1, record.Urgent, time.Minute, []record.UnitID{"PC07"}},
		{record.Emergency, 1, record.Urgent, time.Minute, []record.UnitID{"PC07", "PK02"}},
		{record.Medical, 1, record.Urgent, time.Minute, nil},
		{record.Crime, 2, record.Urgent, 3 * time.Minute, []record.UnitID{"PC02"}},
		{record.TrafficAccident, 2, record.Urgent, 3 * time.Minute, []record.UnitID{"PC08"}},
		{record.Security, 3, record.Routine, 15 * time.Minute, []record.UnitID{"PC06"}},
		{record.Feedback, 4, record.Routine, 24 * time.Hour, []record.UnitID{"PC06"}},
	} {
		r := DefaultRules().Categories[c.category]
		if r.Priority != c.priority || r.Lane != c.lane || !slices.Equal(r.Departments, c.told) || r.Limits[0] != (Limit{StepClaim, c.claim}) {
			t.Errorf("%s: %+v", c.category, r)
		}
	}
	if err := DefaultRules().Validate(); err != nil {
		t.Error(err)
	}
}
