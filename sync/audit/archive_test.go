package audit

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wardline/sync/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

const start = int64(1_795_500_000_000) // 2026-11-24 06:00 UTC

// mustIncident is a city with one incident as officers, devices and an attacker write them.
func mustIncident(t testing.TB) (*city, record.ID) {
	t.Helper()
	c := mustCity(t, 30, 0)
	id := record.DerivedID("fire")
	officer := record.Actor{Kind: record.ByOfficer, Name: "ward-officer", Unit: "ward/26704"}
	sealed := &record.Sealed{Key: record.KeyID{9}, Ciphertext: []byte("not to be read")}
	entry := func(n int) record.ID { return record.DerivedID("entry", fmt.Append(nil, n)) }
	bodies := []record.Body{
		{Kind: record.KindReport, Origin: "ward-26704", Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"}, CapturedAt: start - 60_000, Payload: record.Payload{Report: id, Category: record.Fire,
			Place: &record.Place{LatE7: 107769000, LonE7: 1067009000, AccuracyCM: 1250}, Ward: "26704", Sealed: sealed, Flags: record.FlagOffline,
			Media: []record.Medium{{SHA256: record.Hash{0xab}, Type: "image/jpeg", Bytes: 48_211}}}},
		{Kind: record.KindRouted, Origin: record.CoreOrigin, Payload: record.Payload{Report: id, Lead: "ward/26704", Told: []record.UnitID{"ward/26704", "PC07", "command"}, Distance: 120,
			Deadlines: []record.Deadline{{Step: "claim", At: start + 60_000}}, Rules: 1, Priority: 1}},
		{Kind: record.KindReport, Origin: record.CoreOrigin, Actor: record.Actor{Kind: record.ByDevice, Name: "app-1"}, Payload: record.Payload{Report: id, Category: record.Fire, Ward: "26704", Sealed: sealed}},
		{Kind: record.KindClaim, Origin: "ward-26704", Actor: officer, Deps: []record.ID{entry(0)}},
		{Kind: record.KindDispatch, Origin: "ward-26704", Actor: officer, Payload: record.Payload{Patrol: `<script>alert("Xe 07")</script>`}},
		{Kind: record.KindNote, Origin: "ward-26704", Actor: officer, Payload: record.Payload{Sealed: sealed}},
		{Kind: record.KindRedact, Origin: record.CoreOrigin, Actor: record.Actor{Kind: record.ByOfficer, Name: "supervisor", Unit: "command"}, Payload: record.Payload{Target: entry(5), Reason: "privacy"}},
		{Kind: record.KindMissed, Origin: record.CoreOrigin, Payload: record.Payload{Step: "claim", Until: start + 60_000}},
		{Kind: record.KindClose, Origin: "ward-26704", Actor: officer, Payload: record.Payload{Reason: "done"}},
	}
	heads := map[record.Origin]record.Head{}
	for i := range bodies {
		b := &bodies[i]
		b.ID, b.Incident, b.HLC, b.ReceivedAt = entry(i), id, record.HLCAt(start+int64(i)*1500), start+int64(i)*1500
		if i > 0 {
			b.Clock = record.ClockSure
		}
		raw, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		h := heads[b.Origin]
		l := record.Link{Origin: b.Origin, Incarnation: 7, Lane: record.Urgent, Seq: h.Seq + 1, HLC: b.HLC, Prev: h.Hash}
		if b.Origin == record.CoreOrigin {
			l.Incarnation, l.Lane = 1, record.CityLog
		}
		e := Entry{Index: uint64(i + 1), Listed: b.Kind, Entry: record.Entry{Link: l, Body: raw}}
		if i == 2 {
			e.Listed = record.KindRepeat
		}
		heads[b.Origin] = e.Head()
		c.entries = append(c.entries, e)
	}
	return c, id
}

func (c *city) evidence(t testing.TB, id record.ID) *Evidence {
	t.Helper()
	var r Range
	for i := range c.entries {
		r.Add(c.entries[i].Leaf())
	}
	cp := Checkpoint{r.Size(), r.Root(), start + 100_000}
	return &Evidence{Timeline: Timeline{Incident: id, Entries: c.entries, Checkpoint: cp, Key: c.signer.Key, At: start + 120_000, By: "auditor",
		Unit: func(u record.UnitID) string { return map[record.UnitID]string{"ward/26704": "Phú Mỹ"}[u] }}, Export: c.incident(t, id, cp)}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "timeline", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is another; look at it, and write it anew with -update:\n%s", path, got)
	}
}

func TestTimeline_BothLanguages_SealedAndOpened(t *testing.T) {
	c, id := mustIncident(t)
	e := c.evidence(t, id)
	for _, l := range Langs {
		got, err := e.HTML(l)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, string(l)+".html", got)
		if s := string(got); strings.Contains(s, "<script") || strings.Contains(s, "not to be read") || strings.Contains(s, "http://") || strings.Contains(s, "https://") || strings.Contains(s, "src=") {
			t.Errorf("%s: runs, loads or tells something", l)
		}
	}
	asked := 0
	e.Open = func(x *Entry, _ *record.Sealed) ([]byte, error) {
		asked++
		if x.Index == 3 {
			return nil, record.ErrSealed
		}
		return []byte(`{"text":"<b>cháy</b> tầng 2","reporter":{"name":"Nguyễn Văn An","phone":"0900000000"}}`), nil
	}
	got, err := e.HTML(Vietnamese)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "vi-opened.html", got)
	if asked != 2 { // the note was redacted
		t.Errorf("%d parts were opened", asked)
	}
}

func TestTimeline_EveryKindAndCategory_HasWordsInBothLanguages(t *testing.T) {
	for k := range 256 {
		kind := record.Kind(k)
		inside := kind.Action() || kind >= record.KindReport && kind <= record.KindAlarm && kind != record.KindStatus && kind != record.KindTick
		if w, ok := words[kind.String()]; kind.Valid() && inside && (!ok || w[0] == "" || w[1] == "") {
			t.Errorf("%s has no words", kind)
		}
	}
	var all []string
	for _, c := range record.Categories {
		all = append(all, string(c))
	}
	for _, w := range append(append(all, record.Statuses...), flagWords...) {
		if _, ok := words[w]; !ok {
			t.Errorf("%s has no words", w)
		}
	}
}

func verifyAll(raw []byte, o Options) (*Result, error) {
	return VerifyFile(context.Background(), bytes.NewReader(raw), o)
}

func TestEvidence_AnyByteChangedOrLeftOut_SaysSo(t *testing.T) {
	c, id := mustIncident(t)
	raw, err := c.evidence(t, id).Archive(c.signer)
	if err != nil {
		t.Fatal(err)
	}
	res, err := verifyAll(raw, Options{})
	if err != nil || res.Incident != id || res.Entries != 9 || res.Files != 4 {
		t.Fatal(res, err)
	}
	for at := 0; at < len(raw); at += stride(17, 3) {
		raw[at] ^= byte(1 + at%255)
		if _, err := verifyAll(raw, Options{}); err == nil {
			t.Fatalf("byte %d of %d: passed", at, len(raw))
		}
		raw[at] ^= byte(1 + at%255)
	}
	for n := 0; n < len(raw); n += stride(97, 7) {
		if _, err := verifyAll(raw[:n], Options{}); err == nil {
			t.Fatalf("cut at %d of %d: passed", n, len(raw))
		}
	}
	if _, err := verifyAll(append(bytes.Clone(raw), 1), Options{}); err == nil {
		t.Fatal("longer: passed")
	}
}

// Whoever has the archive and a compiler, but not the key, can pack it anew.
func TestEvidence_PackedAnew_SaysWhatIsOther(t *testing.T) {
	c, id := mustIncident(t)
	whole := c.evidence(t, id)
	raw, err := whole.Archive(c.signer)
	if err != nil {
		t.Fatal(err)
	}
	list, err := unpack(raw)
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]member(nil), list...)
	changed[0].data = bytes.Replace(list[0].data, []byte("Phú Mỹ"), []byte("Phú Thọ"), 1)
	var f *Fault
	if _, err := verifyAll(pack(changed), Options{}); !errors.As(err, &f) || !strings.Contains(err.Error(), "timeline.vi.html was changed") {
		t.Error(err)
	}
	less := append([]member(nil), list...)
	less[2].data = c.some(t, id, whole.Checkpoint, c.entries[:8])
	if _, err := verifyAll(pack(less), Options{}); err == nil || !strings.Contains(err.Error(), "left out") {
		t.Error(err)
	}
	if _, err := verifyAll(pack(list[:3]), Options{}); err == nil || !strings.Contains(err.Error(), "3 files") {
		t.Error(err)
	}
}

func FuzzVerifyFile(f *testing.F) {
	c, id := mustIncident(f)
	raw, err := c.evidence(f, id).Archive(c.signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(pack(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := verifyAll(b, Options{}); err == nil && !bytes.Equal(b, raw) {
			t.Fatal("passed, and the city did not write it")
		}
	})
}
