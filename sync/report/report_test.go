package report

import (
	"encoding/json"
	"strings"
	"testing"
)

const good = `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"fire","text":"cháy nhà","location":{"lat":10.7769,"lon":106.7009,"accuracy_m":12.345},"captured_at":"2026-11-24T08:00:00Z","reporter":{"name":"An","phone":"090"},"media":[{"sha256":"` + sum + `","type":"image/jpeg","bytes":12}],"unknown":{"x":[1]}}`
const sum = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestParse_GoodReport_KeepsEveryField(t *testing.T) {
	r, w, p := Parse([]byte(good))
	if p != nil || len(w) != 0 {
		t.Fatal(p, w)
	}
	if r.Place.LatE7 != 107769000 || r.Place.LonE7 != 1067009000 || r.Place.AccuracyCM != 1235 || r.Text != "cháy nhà" || r.Reporter.Phone != "090" || r.Media[0].Bytes != 12 || r.CapturedAt == 0 {
		t.Fatalf("%+v %+v", r, r.Place)
	}
}

func TestParse_Malformed_NamesTheField(t *testing.T) {
	with := func(k, v string) string {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &m); err != nil {
			t.Fatal(err)
		}
		m[k] = json.RawMessage(v)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		raw   string
		kind  ProblemType
		field string
	}{
		{`nonsense`, NotJSON, ""},
		{`[]`, WrongType, ""},
		{`null`, WrongType, ""},
		{"\xff\xfe{", WrongCharset, ""},
		{"\xef\xbb\xbf{}", WrongCharset, ""},
		{`{}`, Missing, "id"},
		{with("id", `"x"`), InvalidID, "id"},
		{with("id", `7`), WrongType, "id"},
		{with("category", `"war"`), UnknownCategory, "category"},
		{with("category", `null`), Missing, "category"},
		{with("text", `{}`), WrongType, "text"},
		{with("text", `"`+strings.Repeat("a", MaxText+1)+`"`), TooLarge, "text"},
		{with("text", `"`+strings.Repeat("a", MaxBytes)+`"`), TooLarge, ""},
		{with("location", `{"lat":91,"lon":1}`), OutOfRange, "location.lat"},
		{with("location", `{"lat":1}`), Missing, "location.lon"},
		{with("location", `{"lat":"1","lon":2}`), WrongType, "location.lat"},
		{with("location", `{"lat":1e999,"lon":2}`), OutOfRange, "location.lat"},
		{with("location", `{"lat":1,"lon":2,"accuracy_m":-1}`), OutOfRange, "location.accuracy_m"},
		{with("reporter", `[]`), WrongType, "reporter"},
		{with("media", `[{"sha256":"x"}]`), WrongType, "media[0].sha256"},
		{with("media", `[{"sha256":"`+sum+`","type":"a/b","bytes":0}]`), OutOfRange, "media[0].bytes"},
		{with("x", strings.Repeat("[", 100)+strings.Repeat("]", 100)), NotJSON, ""},
	} {
		_, _, p := Parse([]byte(c.raw))
		if p == nil || p.Type != c.kind || p.Field != c.field || p.Detail == "" {
			t.Errorf("%.60s: %+v, want %s at %q", c.raw, p, c.kind, c.field)
		}
	}
}

func TestParse_WrongClock_OnlyWarns(t *testing.T) {
	for _, at := range []string{`"yesterday"`, `{}`, `12`, `"0000-00-00T00:00:00Z"`} {
		r, w, p := Parse([]byte(strings.Replace(good, `"2026-11-24T08:00:00Z"`, at, 1)))
		if p != nil || len(w) != 1 || w[0].Field != "captured_at" || r.CapturedAt != 0 {
			t.Errorf("%s: %v %v", at, p, w)
		}
	}
}

func TestFingerprint_SameFieldsWrittenOtherwise_IsTheSame(t *testing.T) {
	a, _, _ := Parse([]byte(good))
	b, _, p := Parse([]byte(strings.Replace(strings.Replace(good, `"fire"`, `"fire" , "sent_at":"2026-11-24T09:00:00Z"`, 1), "10.7769", "10.77690", 1)))
	if p != nil || Fingerprint(&a) != Fingerprint(&b) {
		t.Fatal("the same report has another fingerprint", p)
	}
	b.Text = "x"
	if Fingerprint(&a) == Fingerprint(&b) {
		t.Fatal("another content has the same fingerprint")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, _, p := Parse(raw)
		if p != nil {
			return
		}
		if !json.Valid(raw) || !r.Category.Valid() || r.ID.Zero() {
			t.Fatal("accepted what is no report")
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(strings.Replace(good, "cháy nhà", strings.Repeat("x", 512-len(good)+len("cháy nhà")), 1))
	b.Run("bytes=512", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, p := Parse(raw); p != nil {
				b.Fatal(p)
			}
		}
	})
}
