package fsm

import (
	"errors"
	"log/slog"
	"testing"

	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/tables"
)

// keyed is a machine with its wrapping keys in a folder.
type keyed struct {
	t    *testing.T
	m    *Machine
	ring *sealing.Ring
	gen  uint32
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	ring, err := sealing.OpenRing(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyed{t: t, m: open(t), ring: ring}
	k.turn()
	return k
}

// turn lets the next wrapping key come into use.
func (k *keyed) turn() {
	k.t.Helper()
	k.gen++
	s := sealing.NewSecret()
	if err := k.ring.Put(k.gen, s); err != nil {
		k.t.Fatal(err)
	}
	if r := do(k.t, k.m, NextWrapping(k.gen, sealing.KeyName(s))); r.Status != OK {
		k.t.Fatal(r)
	}
	k.ring.Use(sealing.KeyName(s))
}

// sealed gives a body a sealed part, and the part's key as it is wrapped now.
func (k *keyed) sealed(b *record.Body) []record.WrappedKey {
	k.t.Helper()
	s, key, err := record.Seal([]byte("who reported"))
	if err != nil {
		k.t.Fatal(err)
	}
	b.Payload.Sealed = &s
	return []record.WrappedKey{k.ring.Wrap(s.Key, key)}
}

// readable says whether the sealed part of an entry can be opened.
func (k *keyed) readable(index uint64) bool {
	k.t.Helper()
	e, err := k.m.Entry(index)
	if err != nil {
		k.t.Fatal(err)
	}
	w, err := k.m.Key(index, e.Body.Payload.Sealed.Key)
	if err != nil {
		k.t.Fatal(err)
	}
	if w == nil {
		return false
	}
	p, err := k.ring.Unwrap(*w)
	if err != nil {
		return false
	}
	_, err = e.Body.Payload.Sealed.Open(p)
	return err == nil
}

func (k *keyed) rewrap() (lost []uint64) {
	k.t.Helper()
	to, err := k.ring.NextWrapper(k.t.Context(), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	for from := uint64(0); ; {
		r, err := k.m.Rewrap(from, k.ring, to)
		if err != nil {
			k.t.Fatal(err)
		}
		if lost, from = append(lost, r.Lost...), r.Next; from == 0 {
			return lost
		}
	}
}

func (k *keyed) close(b *record.Body) {
	k.t.Helper()
	c := &record.Body{ID: record.DerivedID("close", b.Incident[:]), Incident: b.Incident, Kind: record.KindClose, Origin: record.CoreOrigin,
		Actor: record.Actor{Kind: record.ByOfficer, Name: "an", Unit: record.Command}}
	if r := do(k.t, k.m, Body(encode(k.t, c), nil)); r.Status != OK {
		k.t.Fatal(r)
	}
}

func erasureOf(incident record.ID) *record.Body {
	return &record.Body{ID: record.DerivedID("erasure", incident[:]), Incident: incident, Kind: record.KindErasure, Origin: record.CoreOrigin, HLC: record.HLCAt(now),
		Actor: record.Actor{Kind: record.ByOfficer, Name: "admin", Unit: record.Command}, Payload: record.Payload{Reason: "request", Flags: record.FlagSoon}}
}

// TestMachine_Erasure_DeletesItsKeysAlone_AndSaysWhoIsDone: nobody is asked whose
// station never came; what comes late is erased too, and its station hears again.
func TestMachine_Erasure_DeletesItsKeysAlone_AndSaysWhoIsDone(t *testing.T) {
	k := newKeyed(t)
	m := k.m
	if r := do(t, m, Station("26704")); r.Status != OK {
		t.Fatal(r)
	}
	w := &writer{inc: 1}
	gone, stays := report(station, 1, 1), report(station, 2, 1)
	keys := append(k.sealed(gone), k.sealed(stays)...)
	both := w.entry(gone).Append(nil)
	both = w.entry(stays).Append(both)
	if r := do(t, m, Batch(both, keys)); r.Status != OK {
		t.Fatal(r)
	}
	at := map[record.ID]uint64{}
	for _, b := range []*record.Body{gone, stays} {
		rows, err := m.Incident(b.Incident)
		if err != nil {
			t.Fatal(err)
		}
		at[b.Incident] = rows[0].Index
	}
	if r := do(t, m, Body(encode(t, erasureOf(gone.Incident)), nil)); r.Status != Refused || r.Refusal.Code != "not_closed" {
		t.Fatalf("of an open incident: %+v", r)
	}
	k.close(gone)
	r := do(t, m, Body(encode(t, erasureOf(gone.Incident)), nil))
	if again := do(t, m, Body(encode(t, erasureOf(gone.Incident)), nil)); r.Status != OK || again.Index != r.Index {
		t.Fatalf("%+v, %+v", r, again)
	}
	other := erasureOf(gone.Incident)
	other.ID = record.ID{7}
	if x := do(t, m, Body(encode(t, other), nil)); x.Refusal == nil || x.Refusal.Code != "erased" {
		t.Errorf("erased twice: %+v", x)
	}
	if done, err := m.Forget(); err != nil || done < r.Index || k.readable(at[gone.Incident]) || !k.readable(at[stays.Incident]) {
		t.Fatalf("up to %d (%v), erased %v, other %v", done, err, k.readable(at[gone.Incident]), k.readable(at[stays.Incident]))
	}
	_, st, err := m.Outbox("26704", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	late := report(station, 1, 1)
	late.ID = record.ID{9}
	lateKeys := k.sealed(late)
	if x := do(t, m, Batch(w.entry(late).Append(nil), lateKeys)); x.Status != OK || k.readable(x.Index) {
		t.Errorf("what came late is readable: %+v", x)
	}
	if _, now, _ := m.Outbox("26704", 0, 0); now.Head == st.Head {
		t.Error("the station that brought it does not hear of the erasure again")
	}
	list, err := m.ErasuresBefore(0, 10)
	if err != nil || len(list) != 1 || len(list[0].Wards) != 1 || list[0].Wards[0] != "26704" || !list[0].Soon {
		t.Fatalf("%+v (%v)", list, err)
	}
	if last, soon := m.Erased(); last != r.Index || soon != r.Index {
		t.Error(last, soon)
	}
	if _, done, _ := m.Destroyed(string(station), r.Index); done {
		t.Error("done before the station said so")
	}
	said := &record.Body{ID: record.ID{8}, Kind: record.KindErased, Origin: station, HLC: record.HLCAt(now), Payload: record.Payload{Index: r.Index}}
	if x := do(t, m, Batch(w.entry(said).Append(nil), nil)); x.Status != OK {
		t.Fatal(x)
	}
	for index, want := range map[uint64]bool{r.Index: true, r.Index + 1: false} {
		if _, done, err := m.Destroyed(string(station), index); err != nil || done != want {
			t.Errorf("up to %d: %v (%v)", index, done, err)
		}
	}
	dir := m.o.Dir
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, dir)
	k.m = again
	if last, soon := again.Erased(); last != r.Index || soon != r.Index || again.Wrapping().Gen != 1 || k.readable(at[gone.Incident]) {
		t.Errorf("after a restart: %d, %d, %+v", last, soon, again.Wrapping())
	}
	m.db = again.db // closed by the test's end
}

// TestMachine_KeysOfAnOldWrapper_AreRefusedOnceAnotherIsInUse: so that none that is to be
// destroyed comes into the state again.
func TestMachine_KeysOfAnOldWrapper_AreRefusedOnceAnotherIsInUse(t *testing.T) {
	k := newKeyed(t)
	b := report(record.CoreOrigin, 1, 1)
	keys := k.sealed(b)
	k.turn()
	if r := do(t, k.m, Body(encode(t, b), keys)); r.Status != Stale {
		t.Fatalf("%+v", r)
	}
	p, err := k.ring.Unwrap(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	if r := do(t, k.m, Body(encode(t, b), []record.WrappedKey{k.ring.Wrap(keys[0].Key, p)})); r.Status != OK || !k.readable(r.Index) {
		t.Fatalf("%+v", r)
	}
	if r := do(t, k.m, NextWrapping(2, [8]byte{1})); r.Status != Refused {
		t.Errorf("another key for a generation in use: %+v", r)
	}
	if r := do(t, k.m, NextWrapping(9, [8]byte{1})); r.Status != Refused {
		t.Errorf("a generation was skipped: %+v", r)
	}
}

// TestMachine_KeysTurn_SurvivorsAreReadWithTheNewKeyAlone, also those that a node
// which was away must take from another one.
func TestMachine_KeysTurn_SurvivorsAreReadWithTheNewKeyAlone(t *testing.T) {
	k := newKeyed(t)
	var at []uint64
	for n := range 100 {
		b := report(record.CoreOrigin, n, 1)
		keys := k.sealed(b)
		r := do(t, k.m, Body(encode(t, b), keys))
		if r.Status != OK {
			t.Fatal(r)
		}
		at = append(at, r.Index)
	}
	away := open(t)
	_, _, _, snap, err := k.m.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := away.Install(snap); err != nil {
		t.Fatal(err)
	}
	k.turn()
	if lost := k.rewrap(); len(lost) != 0 {
		t.Fatalf("lost: %v", lost)
	}
	if err := k.ring.DestroyOlder(); err != nil || k.ring.Older() {
		t.Fatal(err)
	}
	for _, n := range at {
		if !k.readable(n) {
			t.Fatalf("the entry at %d cannot be read any more", n)
		}
	}
	if err := k.m.RewrappedAll(2); err != nil || k.m.RewrappedTo() != 2 {
		t.Fatal(err)
	}
	here := k.m
	k.m = away // its rows are wrapped with the key that is gone
	lost := k.rewrap()
	if len(lost) == 0 || k.readable(at[0]) {
		t.Fatal("rows of a destroyed key are said to be whole")
	}
	for _, first := range lost {
		row, err := here.KeyRow(first)
		if err != nil {
			t.Fatal(err)
		}
		if left, err := away.MendKeys(first, row, k.ring); err != nil || left != 0 {
			t.Fatalf("%d left (%v)", left, err)
		}
	}
	for _, n := range at {
		if !k.readable(n) {
			t.Fatalf("the mended entry at %d cannot be read", n)
		}
	}
}

func TestSubject_OfAnErasedIncident_IsReadBack(t *testing.T) {
	s := &subject{first: 3, at: []uint64{3, 4, 9}, told: []record.WardCode{"26704"}, erasedAt: 9, erased: 2}
	got, err := decodeSubject(s.encode())
	if err != nil || got.erasedAt != 9 || got.erased != 2 || len(got.at) != 3 || got.at[2] != 9 || len(got.told) != 1 {
		t.Fatalf("%+v (%v)", got, err)
	}
	for cut := range s.encode() {
		if x, err := decodeSubject(s.encode()[:cut]); err == nil && x.erasedAt == 9 && len(x.told) == 1 {
			t.Errorf("cut at %d: %+v", cut, x)
		}
	}
}

// TestMachine_OtherDiskKey_IsNoHole: a node whose key file was mixed up says so, and does
// not give its state up to join anew.
func TestMachine_OtherDiskKey_IsNoHole(t *testing.T) {
	dir := t.TempDir()
	with := func(key, before *[32]byte) (*Machine, error) {
		return Open(Options{Dir: dir, Log: slog.New(slog.DiscardHandler), Key: key, KeyBefore: before})
	}
	one, two := &[32]byte{1}, &[32]byte{2}
	m, err := with(one, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := do(t, m, Body(encode(t, report(record.CoreOrigin, 1, 1)), nil))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []*[32]byte{nil, two} {
		if _, err := with(key, nil); !errors.Is(err, tables.ErrOtherKey) || errors.Is(err, ErrHole) {
			t.Errorf("with another key: %v", err)
		}
	}
	for _, x := range []struct{ key, before *[32]byte }{{two, one}, {two, nil}} {
		if m, err = with(x.key, x.before); err != nil || m.CityIndex() < r.Index {
			t.Fatal(err)
		}
		if _, err := m.Entry(r.Index); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
