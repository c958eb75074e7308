package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"wardline/sync/record"
)

const (
	sum  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	good = `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"fire","text":"cháy nhà","place_text":"tầng 3","location":{"lat":10.7769,"lon":106.7009,"accuracy_m":12.345,"fixed_at":"2026-11-24T07:59:00Z"},"captured_at":"2026-11-24T08:00:00Z","sent_at":"2026-11-24t08:00:01.5z","reporter":{"name":"An","phone":"090","anonymous":true},"media":[{"sha256":"` + sum + `","type":"image/jpeg","bytes":12}],"unknown":{"x":[1,-0.5e+3,null,"\n"]}}`
)

// with is the good report with one member set to JSON text.
func with(t testing.TB, k, v string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &m); err != nil {
		t.Fatal(err)
	}
	m[k] = json.RawMessage(v)
	b := new(strings.Builder)
	for key, raw := range m {
		fmt.Fprintf(b, ",%q:%s", key, raw)
	}
	return "{" + b.String()[1:] + "}"
}

func mustParse(t testing.TB, raw string) (Report, []Warning) {
	t.Helper()
	r, w, p := Parse([]byte(raw))
	if p != nil {
		t.Fatalf("%.200s: %v", raw, p)
	}
	return r, w
}

func TestParse_GoodReport_KeepsEveryField(t *testing.T) {
	r, w := mustParse(t, " \r\n\t"+good+" ")
	id, err := record.ParseID("018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")
	if err != nil {
		t.Fatal(err)
	}
	var h record.Hash
	if err := h.UnmarshalText([]byte(sum)); err != nil {
		t.Fatal(err)
	}
	want := Report{ID: id, Category: record.Fire, Text: "cháy nhà", PlaceText: "tầng 3",
		Place:      &record.Place{LatE7: 107769000, LonE7: 1067009000, AccuracyCM: 1235, FixedAt: 1795507140000},
		CapturedAt: 1795507200000, SentAt: 1795507201500, Reporter: Reporter{Name: "An", Phone: "090", Anonymous: true},
		Media: []record.Medium{{SHA256: h, Type: "image/jpeg", Bytes: 12}}}
	if !reflect.DeepEqual(r, want) || len(w) != 0 {
		t.Fatalf("got  %+v %+v\nwant %+v %+v\n%v", r, r.Place, want, want.Place, w)
	}
}

func TestParse_OnlyIDAndCategory_IsAReport(t *testing.T) {
	r, w := mustParse(t, `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"panic","text":null,"location":null,"media":null,"reporter":null,"captured_at":null}`)
	if len(w) != 0 || r.Text != "" || r.Place != nil || r.Media != nil || r.Reporter != (Reporter{}) || r.ClockDoubt {
		t.Fatalf("%+v %v", r, w)
	}
}

func TestParse_Malformed_NamesTheField(t *testing.T) {
	id := `"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	medium := func(s string) string { return with(t, "media", `[{"sha256":"`+sum+`","bytes":1},`+s+`]`) }
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for _, c := range []struct {
		raw   string
		kind  ProblemType
		field string
	}{
		{``, NotJSON, ""},
		{`nonsense`, NotJSON, ""},
		{`{`, NotJSON, ""},
		{`{"id"`, NotJSON, ""},
		{`{"id":}`, NotJSON, ""},
		{`{` + id + `,}`, NotJSON, ""},
		{`{` + id + ` "category":"fire"}`, NotJSON, ""},
		{good + "x", NotJSON, ""},
		{good + good, NotJSON, ""},
		{good[:len(good)-1], NotJSON, ""},
		{with(t, "text", `"\x"`), NotJSON, "text"},
		{with(t, "text", `"\u12g4"`), NotJSON, "text"},
		{with(t, "text", "\"a\nb\""), NotJSON, "text"},
		{with(t, "text", `'a'`), NotJSON, ""},
		{with(t, "location", `{"lat":01,"lon":2}`), NotJSON, "location.lat"},
		{with(t, "location", `{"lat":1.,"lon":2}`), NotJSON, "location.lat"},
		{with(t, "location", `{"lat":1e,"lon":2}`), NotJSON, "location.lat"},
		{with(t, "location", `{"lat":+1,"lon":2}`), NotJSON, ""},
		{with(t, "location", `{"lat":NaN,"lon":2}`), NotJSON, ""},
		{with(t, "unknown", `tru`), NotJSON, ""},
		{`[]`, WrongType, ""},
		{`null`, WrongType, ""},
		{`"{}"`, WrongType, ""},
		{`7`, WrongType, ""},
		{"\xff\xfe{\x00", WrongCharset, ""},
		{"{\x00\"\x00", WrongCharset, ""},
		{"\xef\xbb\xbf" + good, WrongCharset, ""},
		{with(t, "text", "\"Ch\xe1y\""), WrongCharset, "text"},
		{with(t, "unknown", "\"Ch\xe1y\""), WrongCharset, ""},
		{"{\"ch\xe1y\":1," + id + `,"category":"fire"}`, WrongCharset, ""},
		{`{}`, Missing, "id"},
		{`{` + id + `}`, Missing, "category"},
		{with(t, "id", `null`), Missing, "id"},
		{with(t, "id", `"x"`), InvalidID, "id"},
		{with(t, "id", `"00000000-0000-0000-0000-000000000000"`), InvalidID, "id"},
		{with(t, "id", `"018f3c1e7a2b7c3d8e4f5a6b7c8d9e0f"`), InvalidID, "id"},
		{with(t, "id", `7`), WrongType, "id"},
		{`{` + id + `,"\u0069d":7,"category":"fire"}`, Duplicate, "id"},
		{with(t, "category", `"war"`), UnknownCategory, "category"},
		{with(t, "category", `"Fire"`), UnknownCategory, "category"},
		{with(t, "category", `null`), Missing, "category"},
		{with(t, "category", `"fire","category":"fire"`), Duplicate, "category"},
		{with(t, "text", `{}`), WrongType, "text"},
		{with(t, "text", `"`+strings.Repeat("ệ", MaxText+1)+`"`), TooLarge, "text"},
		{with(t, "place_text", `"`+strings.Repeat("a", MaxPlaceText+1)+`"`), TooLarge, "place_text"},
		{with(t, "place_text", `["a"]`), WrongType, "place_text"},
		{`{` + id + `,"text":"` + strings.Repeat("a", MaxPayload) + `"}`, TooLarge, ""},
		{with(t, "location", `[]`), WrongType, "location"},
		{with(t, "location", `{"lat":91,"lon":1}`), OutOfRange, "location.lat"},
		{with(t, "location", `{"lat":1,"lon":-180.0000001}`), OutOfRange, "location.lon"},
		{with(t, "location", `{"lat":1}`), Missing, "location.lon"},
		{with(t, "location", `{"lat":null,"lon":1}`), Missing, "location.lat"},
		{with(t, "location", `{"lat":"1","lon":2}`), WrongType, "location.lat"},
		{with(t, "location", `{"lat":1e999999999999,"lon":2}`), OutOfRange, "location.lat"},
		{with(t, "location", `{"lat":1,"lon":2,"accuracy_m":-1}`), OutOfRange, "location.accuracy_m"},
		{with(t, "location", `{"lat":1,"lon":2,"accuracy_m":true}`), WrongType, "location.accuracy_m"},
		{with(t, "reporter", `[]`), WrongType, "reporter"},
		{with(t, "reporter", `{"name":1}`), WrongType, "reporter.name"},
		{with(t, "reporter", `{"name":"`+strings.Repeat("a", MaxName+1)+`"}`), TooLarge, "reporter.name"},
		{with(t, "reporter", `{"phone":"`+strings.Repeat("1", MaxPhone+1)+`"}`), TooLarge, "reporter.phone"},
		{with(t, "reporter", `{"anonymous":"yes"}`), WrongType, "reporter.anonymous"},
		{with(t, "media", `{}`), WrongType, "media"},
		{with(t, "media", "["+strings.Repeat(`{"sha256":"`+sum+`","bytes":1},`, MaxMedia)+"1]"), TooMany, "media"},
		{medium(`null`), WrongType, "media[1]"},
		{medium(`{"bytes":1}`), Missing, "media[1].sha256"},
		{medium(`{"sha256":"x","bytes":1}`), InvalidValue, "media[1].sha256"},
		{medium(`{"sha256":7,"bytes":1}`), WrongType, "media[1].sha256"},
		{medium(`{"sha256":"` + sum + `"}`), Missing, "media[1].bytes"},
		{medium(`{"sha256":"` + sum + `","bytes":0}`), OutOfRange, "media[1].bytes"},
		{medium(`{"sha256":"` + sum + `","bytes":1.5}`), OutOfRange, "media[1].bytes"},
		{medium(`{"sha256":"` + sum + `","bytes":4294967297}`), OutOfRange, "media[1].bytes"},
		{medium(`{"sha256":"` + sum + `","bytes":"1"}`), WrongType, "media[1].bytes"},
		{medium(`{"sha256":"` + sum + `","bytes":1,"type":"jpeg"}`), InvalidValue, "media[1].type"},
		{medium(`{"sha256":"` + sum + `","bytes":1,"type":"image/` + strings.Repeat("j", MaxMediaType) + `"}`), TooLarge, "media[1].type"},
		{with(t, "x", deep), TooDeep, ""},
	} {
		_, w, p := Parse([]byte(c.raw))
		if p == nil || p.Type != c.kind || p.Field != c.field || p.Detail == "" || w != nil {
			t.Errorf("%.90s: %+v %v, want %s at %q", c.raw, p, w, c.kind, c.field)
			continue
		}
		if titles[p.Type] == "" {
			t.Errorf("%s has no title", p.Type)
		}
	}
}

func TestParse_NestedAsDeepAsAllowed_IsTaken(t *testing.T) {
	mustParse(t, with(t, "x", strings.Repeat("[", MaxDepth-1)+strings.Repeat("]", MaxDepth-1)))
}

// The sender of what is refused should learn which of its reports it was.
func TestParse_Malformed_CarriesTheID(t *testing.T) {
	id := `"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"`
	for raw, want := range map[string]bool{
		`{"category":"war","text":5,` + id + `}`:                        true,
		`{` + id + `,"text":"` + strings.Repeat("a", MaxPayload) + `"}`: true,
		byteOrderMark + good:                                             true,
		`{"text":"Ch` + "\xe1" + `y",` + id + `}`:                        true,
		`{` + id + `,` + id + `}`:                                        true,
		`{` + id + `,"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0e"}`:       false, // which of the two?
		`{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0g","category":"war"}`: false,
	} {
		_, _, p := Parse([]byte(raw))
		if p == nil || p.ID.Zero() == want || (p.Details().ID != "") != want {
			t.Errorf("%.60s: %+v, want an id: %v", raw, p, want)
		}
	}
}

func TestParse_WhatTheSourceWrote_IsInNoProblemAndNoWarning(t *testing.T) {
	const planted = "Planted0909"
	for _, raw := range []string{
		with(t, planted, `{"`+planted+`":tru`), with(t, planted, strings.Repeat("[", 99)+strings.Repeat("]", 99)),
		with(t, "category", `"`+planted+`"`), with(t, "id", `"`+planted+`"`), with(t, "captured_at", `"`+planted+`"`),
		with(t, "media", `[{"type":"`+planted+`","sha256":"`+sum+`","bytes":1}]`), with(t, "text", `"`+planted+`\u0000"`),
	} {
		_, w, p := Parse([]byte(raw))
		if p == nil && len(w) == 0 {
			t.Errorf("%.80s: nothing said", raw)
		}
		if s := fmt.Sprint(p, w); strings.Contains(s, planted) {
			t.Errorf("%s repeats what the source wrote", s)
		}
	}
}

func TestParse_RepeatedField_LastStandsWithAWarning(t *testing.T) {
	r, w := mustParse(t, with(t, "text", `"a","text":"b","reporter":{"name":"x"},"location":{"lat":5,"lat":6,"lon":7}`))
	var fields []string
	for _, x := range w {
		fields = append(fields, x.Field)
	}
	for _, f := range []string{"text", "location.lat"} {
		if !strings.Contains(fmt.Sprint(fields), f) {
			t.Errorf("no warning for %s among %v", f, fields)
		}
	}
	if r.Text != "b" || len(w) != 4 {
		t.Errorf("%q %v", r.Text, w)
	}
	_, w = mustParse(t, with(t, "text", `"a"`+strings.Repeat(`,"text":"b"`, 1000)))
	if len(w) != maxWarnings {
		t.Errorf("%d warnings", len(w))
	}
}

func TestParse_BrokenEmojiAndNUL_AreMendedWithAWarning(t *testing.T) {
	for in, want := range map[string]string{
		`\ud83d\ude92`: "🚒", `a\u0000b`: "a\ufffdb", `x\ud83d`: "x\ufffd", `\ud83d\u0041`: "\ufffdA", `\ude92\ud83d\ude92`: "\ufffd🚒", `\ud83dy`: "\ufffdy",
	} {
		r, w := mustParse(t, with(t, "text", `"`+in+`"`))
		if r.Text != want || (len(w) != 0) != strings.Contains(want, "\ufffd") {
			t.Errorf("%s: %q %v, want %q", in, r.Text, w, want)
		}
	}
}

func TestParse_NoFix_LeavesThePlaceOut(t *testing.T) {
	r, w := mustParse(t, with(t, "location", `{"lat":0.00000001,"lon":-0}`))
	if r.Place != nil || len(w) != 1 || w[0].Field != "location" {
		t.Errorf("%+v %v", r.Place, w)
	}
	if r, w = mustParse(t, with(t, "location", `{"lat":0,"lon":106.7,"accuracy_m":1e99}`)); r.Place == nil || r.Place.AccuracyCM != MaxAccuracyCM || len(w) != 0 {
		t.Errorf("%+v %v", r.Place, w)
	}
}

func TestParse_MediumWithoutType_IsOctetStream(t *testing.T) {
	for _, typ := range []string{``, `,"type":""`, `,"type":null`} {
		if r, _ := mustParse(t, with(t, "media", `[{"sha256":"`+sum+`","bytes":1`+typ+`}]`)); r.Media[0].Type != DefaultMediaType {
			t.Errorf("%s: %q", typ, r.Media[0].Type)
		}
	}
}

func TestProblem_Details_FollowTheType(t *testing.T) {
	for _, k := range ProblemTypes {
		p := &Problem{Type: k}
		d := p.Details()
		want := 400
		if k == TooLarge {
			want = 413
		}
		if d.Status != want || d.Title == "" || d.Type != "/problems/"+strings.ReplaceAll(string(k), "_", "-") {
			t.Errorf("%+v", d)
		}
	}
	if p := (&Problem{Type: TooLarge, Field: "text"}); p.Status() != 400 {
		t.Error("a long text is no large payload", p.Status())
	}
}

// TestProblem_OfTheWholePayload_NamesThePayload: a sender finds something in the
// field whatever was wrong.
func TestProblem_OfTheWholePayload_NamesThePayload(t *testing.T) {
	for _, raw := range []string{``, `{x`, `[]`, "\xff\xfe{", `{"text":"` + strings.Repeat("x", MaxPayload) + `"}`} {
		_, _, p := Parse([]byte(raw))
		if p == nil || p.Where() != Whole || p.Details().Field != Whole {
			t.Errorf("%.10q: %+v", raw, p)
		}
	}
	if p := (&Problem{Type: Missing, Field: "id"}); p.Details().Field != "id" {
		t.Error(p.Details())
	}
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(strings.Replace(good, "tầng 3", strings.Repeat("x", max(0, 512-len(good)+len("tầng 3"))), 1))
	b.Run(fmt.Sprintf("bytes=%d", len(raw)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, p := Parse(raw); p != nil {
				b.Fatal(p)
			}
		}
	})
}
