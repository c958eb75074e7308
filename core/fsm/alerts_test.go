package fsm

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"wardline/sync/cap"
	"wardline/sync/record"
)

// warning is the entry of a message for wards.
func warning(t *testing.T, id byte, msg string, target record.ID, until int64, wards ...record.WardCode) *record.Body {
	t.Helper()
	a := &cap.Alert{Identifier: record.ID{id}.String(), Sender: "wardline-command", Sent: cap.Time(now), Status: cap.Actual, MsgType: msg, Scope: cap.Public,
		Infos: []cap.Info{{Language: "vi", Event: "Ngập", Expires: cap.Time(until)}}}
	b, err := a.Body(wards, target)
	if err != nil {
		t.Fatal(err)
	}
	b.Origin, b.HLC, b.ReceivedAt = record.CoreOrigin, record.HLCAt(now), now
	return &b
}

// waiting are the entries that wait in a ward's outbox.
func waiting(t *testing.T, m *Machine, w record.WardCode) (list []record.ID) {
	t.Helper()
	rows, _, err := m.Outbox(w, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		for _, ref := range r.Refs {
			if ref.Accounts {
				continue
			}
			e, err := m.Entry(ref.Index)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e.Body.ID)
		}
	}
	return list
}

// TestBroadcast_ForTwoWards_TravelsByTheirOutboxesAlone, its cancel to those of what it
// takes back, and a station that comes later gets what still holds.
func TestBroadcast_ForTwoWards_TravelsByTheirOutboxesAlone(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	first := warning(t, 1, cap.MsgAlert, record.ID{}, now+60_000, "26704", "26740")
	if r := do(t, m, Body(encode(t, first), nil)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	if r := do(t, m, Body(encode(t, first), nil)); r.Status != OK || m.CityIndex() != 1 {
		t.Errorf("the same again: %+v, %d entries", r, m.CityIndex())
	}
	taken := warning(t, 2, cap.MsgCancel, first.ID, now+60_000, "26704")
	if r := do(t, m, Body(encode(t, taken), nil)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	for w, want := range map[record.WardCode][]record.ID{"26704": {first.ID, taken.ID}, "26740": {first.ID, taken.ID}, "26734": nil} {
		if got := waiting(t, m, w); !slices.Equal(got, want) {
			t.Errorf("ward %s: %v, want %v", w, got, want)
		}
	}
	var resync []record.ID
	collect := func(r Row) error { resync = append(resync, r.Body.ID); return nil }
	if err := m.BroadcastsFor("26740", collect); err != nil || !slices.Equal(resync, []record.ID{first.ID, taken.ID}) {
		t.Errorf("a resync brings %v %v", resync, err)
	}
	for m.meta.Load().time <= now+60_000 { // the city's clock is slewed
		do(t, m, Tick(now+90_000))
	}
	resync = nil
	if err := m.BroadcastsFor("26740", collect); err != nil || len(resync) > 0 {
		t.Errorf("what has expired goes to a station: %v %v", resync, err)
	}
	for name, c := range map[string]struct {
		b    *record.Body
		word string
	}{
		"no ward":             {warning(t, 3, cap.MsgAlert, record.ID{}, now+900_000), "alert.area"},
		"past":                {warning(t, 4, cap.MsgAlert, record.ID{}, now, "26704"), "alert.expires"},
		"of an unknown other": {warning(t, 5, cap.MsgUpdate, record.ID{99}, now+900_000, "26704"), "alert.references"},
	} {
		if r := do(t, m, Body(encode(t, c.b), nil)); r.Status != Refused || !strings.Contains(r.Detail, c.word) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestBroadcast_StationSaysHowFarItIs_AndASnapshotHasIt: the counts of each ward, the
// latest each, and a warning that a ward sent while it was cut off.
func TestBroadcast_StationSaysHowFarItIs_AndASnapshotHasIt(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	sent := warning(t, 1, cap.MsgAlert, record.ID{}, now+60_000, "26704")
	do(t, m, Body(encode(t, sent), nil))
	own := warning(t, 2, cap.MsgAlert, record.ID{}, now+60_000, "26704")
	own.Origin = station
	var prev record.Entry
	for seq, b := range []*record.Body{
		{ID: record.ID{10}, Kind: record.KindReached, Origin: station, Payload: record.Payload{Target: sent.ID, Ward: "26704", Data: []byte(`{"devices":1}`)}},
		{ID: record.ID{11}, Kind: record.KindReached, Origin: station, Payload: record.Payload{Target: sent.ID, Ward: "26704", Data: []byte(`{"devices":3}`)}},
		{ID: record.ID{12}, Kind: record.KindReached, Origin: station, Payload: record.Payload{Target: record.ID{77}, Ward: "26704", Data: []byte(`{"devices":9}`)}},
		own,
	} {
		e := record.Entry{Link: record.Link{Origin: station, Incarnation: 7, Lane: record.Urgent, Seq: record.Seq(seq + 1), HLC: record.HLCAt(now)}, Body: encode(t, b)}
		if seq > 0 {
			e.Link.Prev = prev.Hash()
		}
		if r := do(t, m, Batch(e.Append(nil), nil)); r.Status != OK {
			t.Fatalf("%+v", r)
		}
		prev = e
	}
	check := func(m *Machine) {
		t.Helper()
		list, err := m.Broadcasts(10, 0)
		if err != nil || len(list) != 2 || list[0].Row.Body.ID != own.ID || list[1].Row.Body.ID != sent.ID {
			t.Fatalf("%+v %v", list, err)
		}
		if r := list[1].Reached; len(r) != 1 || r[0].Ward != "26704" || string(r[0].Row.Body.Payload.Data) != `{"devices":3}` {
			t.Errorf("%+v", r)
		}
	}
	check(m)
	_, _, _, snapshot, err := m.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if _, err := state.ReadFrom(snapshot); err != nil {
		t.Fatal(err)
	}
	other := open(t)
	if err := other.Install(&state); err != nil {
		t.Fatal(err)
	}
	check(other)
}

// TestBroadcast_LongAfterItExpired_LeavesTheList and not the log.
func TestBroadcast_LongAfterItExpired_LeavesTheList(t *testing.T) {
	m := open(t)
	do(t, m, Tick(now))
	do(t, m, Body(encode(t, warning(t, 1, cap.MsgAlert, record.ID{}, now+1000, "26704")), nil))
	for m.meta.Load().time < now+alertKept+2000 { // the city's clock is slewed towards it
		do(t, m, Tick(now+2*alertKept))
	}
	do(t, m, Body(encode(t, warning(t, 2, cap.MsgAlert, record.ID{}, m.meta.Load().time+1000, "26704")), nil))
	list, err := m.Broadcasts(10, 0)
	if err != nil || len(list) != 1 || list[0].Row.Body.ID != (record.ID{2}) {
		t.Fatalf("%d in the list, %v", len(list), err)
	}
	if m.CityIndex() < 2 {
		t.Error("the log lost it")
	}
}
