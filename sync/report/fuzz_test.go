package report

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"wardline/sync/record"
)

// reference reads an accepted report with encoding/json, into maps, so that
// keys are exact and of repeated ones the last stands whole.
type reference struct {
	t *testing.T
	m map[string]any
}

func (f reference) str(k string) string {
	s, _ := f.m[k].(string)
	return strings.ReplaceAll(s, "\x00", "\ufffd")
}

func (f reference) object(k string) reference {
	m, _ := f.m[k].(map[string]any)
	return reference{f.t, m}
}

func (f reference) millis(k string) int64 {
	s, _ := f.m[k].(string)
	at, err := time.Parse(time.RFC3339, strings.ToUpper(s))
	if err != nil || at.UnixMilli() < 0 {
		return 0
	}
	return at.UnixMilli()
}

// scaled is rounded × 10^scale; false where big.Rat would need too long.
func (f reference) scaled(k string, scale int) (int64, bool) {
	n, ok := f.m[k].(json.Number)
	if !ok {
		return 0, true
	}
	return slow(string(n), scale)
}

// slow is what scaled should give, by big.Rat.
func slow(num string, scale int) (int64, bool) {
	if e := strings.IndexAny(num, "eE"); e >= 0 && len(num)-e > 4 {
		return 0, false
	}
	x, ok := new(big.Rat).SetString(num)
	if !ok {
		return 0, false
	}
	ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	x.Mul(x, ten)
	negative := x.Sign() < 0
	x.Abs(x)
	x.Add(x, big.NewRat(1, 2))
	v := new(big.Int).Div(x.Num(), x.Denom())
	if v.Cmp(big.NewInt(huge)) >= 0 {
		return signed(huge, negative), true
	}
	return signed(v.Int64(), negative), true
}

// check compares what Parse gave with what encoding/json reads.
func (f reference) check(r *Report) {
	t := f.t
	t.Helper()
	same := func(field string, got, want any) {
		if got != want {
			t.Fatalf("%s: %v, encoding/json reads %v", field, got, want)
		}
	}
	same("id", r.ID.String(), strings.ToLower(f.str("id")))
	same("category", string(r.Category), f.str("category"))
	same("text", r.Text, f.str("text"))
	same("place_text", r.PlaceText, f.str("place_text"))
	same("captured_at", r.CapturedAt, f.millis("captured_at"))
	same("sent_at", r.SentAt, f.millis("sent_at"))
	who := f.object("reporter")
	anonymous, _ := who.m["anonymous"].(bool)
	same("reporter", r.Reporter, Reporter{who.str("name"), who.str("phone"), anonymous})
	at := f.object("location")
	lat, ok1 := at.scaled("lat", 7)
	lon, ok2 := at.scaled("lon", 7)
	cm, ok3 := at.scaled("accuracy_m", 2)
	if ok1 && ok2 && ok3 {
		if lat == 0 && lon == 0 {
			same("location", r.Place == nil, true)
		} else {
			same("location", *r.Place, record.Place{LatE7: int32(lat), LonE7: int32(lon), AccuracyCM: uint32(min(cm, MaxAccuracyCM)), FixedAt: at.millis("fixed_at")})
		}
	}
	list, _ := f.m["media"].([]any)
	same("media", len(r.Media), len(list))
	for i, x := range list {
		m := reference{t, x.(map[string]any)}
		typ := m.str("type")
		if typ == "" {
			typ = DefaultMediaType
		}
		same("media.sha256", r.Media[i].SHA256.String(), strings.ToLower(m.str("sha256")))
		same("media.type", r.Media[i].Type, typ)
		if n, ok := m.scaled("bytes", 0); ok {
			same("media.bytes", int64(r.Media[i].Bytes), n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	for _, s := range []string{`{}`, `[]`, byteOrderMark + good, "{\x00", `{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"panic"}`,
		strings.Replace(good, "cháy", `\ud83d\ude92\u0000\ud83d\"\\\/\b\f\n\r\t`, 1), strings.Replace(good, `"text"`, `"text":"a","te\u0078t"`, 1),
		strings.Replace(good, "10.7769", "-0.5E-7", 1), strings.Replace(good, `"bytes"`, `"type":null,"bytes":1,"bytes"`, 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, w, p := Parse(raw)
		if len(w) > maxWarnings {
			t.Fatal("too many warnings", len(w))
		}
		if p != nil {
			if titles[p.Type] == "" || p.Detail == "" || !utf8.ValidString(p.Error()) {
				t.Fatalf("%+v", p)
			}
			if p.Type == NotJSON && json.Valid(raw) {
				t.Fatal("refused as no JSON what is JSON", p)
			}
			return
		}
		if len(raw) > MaxPayload || !json.Valid(raw) || !utf8.Valid(raw) || !r.Category.Valid() || r.ID.Zero() {
			t.Fatal("accepted what is no report")
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		reference{t, m}.check(&r)
	})
}

// Every number within reach of a float's and of the fields' range, and those
// at the edges of rounding, against exact arithmetic.
func TestScaled_AnyNumber_IsExactlyRounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num := rapid.StringMatching(`-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "num")
		scale := rapid.IntRange(0, 9).Draw(t, "scale")
		want, ok := slow(num, scale)
		if !ok {
			t.Fatal("the reference cannot read it")
		}
		if got, _ := scaled(num, scale); got != want {
			t.Fatalf("%s × 10^%d: %d, want %d", num, scale, got, want)
		}
	})
}

func TestScaled_WhatIsLost_IsSaid(t *testing.T) {
	for _, c := range []struct {
		num   string
		scale int
		v     int64
		exact bool
	}{
		{"0", 7, 0, true}, {"-0", 7, 0, true}, {"0e999999999999", 7, 0, true}, {"0.00000005", 7, 1, false}, {"-0.00000005", 7, -1, false},
		{"0.000000049999999999999999999999999999", 7, 0, false}, {"1e-999999999999999999999", 2, 0, false},
		{"1e999999999999999999999", 2, huge, false}, {"-1e18", 0, -huge, false}, {"999999999999999999", 0, 999999999999999999, true},
		{"12.50", 1, 125, true}, {"1.5", 0, 2, false}, {"4294967296", 0, 4294967296, true}, {"12e-1", 1, 12, true},
	} {
		if v, exact := scaled(c.num, c.scale); v != c.v || exact != c.exact {
			t.Errorf("%s × 10^%d: %d %v, want %d %v", c.num, c.scale, v, exact, c.v, c.exact)
		}
	}
}
