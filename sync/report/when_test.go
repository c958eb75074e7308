package report

import (
	"strings"
	"testing"
)

func TestWhen_WrongClock_IsCorrectedOrWarned(t *testing.T) {
	const now = int64(1_790_000_000_000)
	for _, c := range []struct {
		captured, sent, want int64
		warned               bool
	}{
		{0, 0, now, false},
		{0, now - 50, now, false},
		{now - 5000, 0, now - 5000, false},
		{now + 1000, 0, now, false},                            // a second ahead is no lie
		{now + 999_000, 0, now, true},                          // a quarter of an hour is
		{5000, 8000, now - 3000, false},                        // 1970, but it says so when it sends
		{8000, 5000, now, false},                               // made after it was sent: nonsense, but near
		{now, 5000, now, true},                                 // the clock was set back between the two
		{now - 30*24*3_600_000, 0, now, true},                  // a month ago
		{now - 2*24*3_600_000, 0, now - 2*24*3_600_000, false}, // a weekend offline
		{253402300799999, 1, now, true},                        // the last time that RFC 3339 can write
	} {
		r := Report{CapturedAt: c.captured, SentAt: c.sent}
		at, w := r.When(now)
		if at != c.want || (w != nil) != c.warned {
			t.Errorf("%+v: %d %v", c, at, w)
		}
	}
}

func TestUnusual_HoursOff_AsksToCheckTheClock(t *testing.T) {
	const now, hour = int64(1_790_000_000_000), int64(3_600_000)
	for _, c := range []struct {
		captured, sent int64
		field          string
	}{
		{0, 0, ""},
		{now - 5000, 0, ""},
		{now - 50*60_000, 0, ""},                    // not quite an hour: a lift, a tunnel, a village
		{now - 7*hour, 0, "captured_at"},            // the wrong zone, or a phone without a network
		{now - 7*hour, now - 7*hour + 9, "sent_at"}, // the wrong zone; corrected
		{now + 7*hour, now + 7*hour + 9, "sent_at"},
		{now - 7*hour, now, "captured_at"}, // late, by a right clock
		{0, now - 7*hour, "sent_at"},
	} {
		r := Report{CapturedAt: c.captured, SentAt: c.sent}
		at, w := r.When(now)
		if w != nil {
			t.Fatalf("%+v: %v", c, w)
		}
		got := ""
		if u := r.Unusual(now, at); u != nil {
			got = u.Field
		}
		if got != c.field {
			t.Errorf("%+v: warned of %q, want %q", c, got, c.field)
		}
	}
}

func TestParse_WrongClock_OnlyWarns(t *testing.T) {
	for _, field := range []string{"captured_at", "sent_at"} {
		for _, at := range []string{`"yesterday"`, `{}`, `[[1]]`, `12`, `true`, `""`, `"0000-00-00T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"1970-01-01T00:00:00Z"`, `"\u0000"`} {
			r, w := mustParse(t, with(t, field, at))
			if len(w) != 1 || w[0].Field != field || !r.ClockDoubt || (field == "captured_at") != (r.CapturedAt == 0) || (field == "sent_at") != (r.SentAt == 0) {
				t.Errorf("%s %s: %+v %v", field, at, r, w)
			}
		}
	}
	r, w := mustParse(t, strings.Replace(good, `"fixed_at":"2026-11-24T07:59:00Z"`, `"fixed_at":7`, 1))
	if len(w) != 1 || w[0].Field != "location.fixed_at" || r.Place.FixedAt != 0 || r.ClockDoubt {
		t.Errorf("%+v %v", r, w)
	}
}

func TestFingerprint_SameFieldsWrittenOtherwise_IsTheSame(t *testing.T) {
	a, _ := mustParse(t, good)
	for _, raw := range []string{
		with(t, "sent_at", `"2026-11-24T09:00:00Z"`), with(t, "sent_at", `"never"`), with(t, "sent_at", `null`),
		with(t, "unknown", `1`), with(t, "text", `"ch\u00e1y nh\u00e0"`), strings.Replace(good, "10.7769", "1077.69000e-2", 1),
		strings.Replace(good, "018f3c1e-7a2b", "018F3C1E-7A2B", 1),
		strings.Replace(good, "2026-11-24T08:00:00Z", "2026-11-24T15:00:00.000+07:00", 1),
		strings.Replace(good, ",", " ,\n", -1),
	} {
		if b, _ := mustParse(t, raw); a.Fingerprint() != b.Fingerprint() {
			t.Errorf("the same report has another fingerprint: %s", raw)
		}
	}
}

func TestFingerprint_AnyFieldDiffers_IsAnother(t *testing.T) {
	a, _ := mustParse(t, good)
	seen := map[string]string{a.Fingerprint().String(): "good"}
	for k, v := range map[string]string{"id": `"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e00"`, "category": `"crime"`, "text": `"x"`, "place_text": `"x"`,
		"location": `{"lat":1,"lon":2}`, "captured_at": `"2026-11-24T08:00:01Z"`, "reporter": `{"name":"A","phone":"n090","anonymous":true}`,
		"media": `[]`} {
		b, _ := mustParse(t, with(t, k, v))
		f := b.Fingerprint().String()
		if other, ok := seen[f]; ok {
			t.Errorf("%s has the fingerprint of %s", k, other)
		}
		seen[f] = k
	}
}
