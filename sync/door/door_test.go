package door

import (
	"bytes"
	"testing"

	"wardline/sync/record"
	"wardline/sync/report"
)

func TestCapturedAt_WrongClock_IsCorrectedOrWarned(t *testing.T) {
	const now = int64(1_790_000_000_000)
	for _, c := range []struct {
		captured, sent, want int64
		warned               bool
	}{
		{0, 0, now, false},
		{now - 5000, 0, now - 5000, false},
		{now + 1000, 0, now, false},                            // a second ahead is no lie
		{now + 999_000, 0, now, true},                          // a quarter of an hour is
		{5000, 8000, now - 3000, false},                        // 1970, but it says so when it sends
		{now - 30*24*3_600_000, 0, now, true},                  // a month ago
		{now - 2*24*3_600_000, 0, now - 2*24*3_600_000, false}, // a weekend offline
	} {
		at, w := CapturedAt(c.captured, c.sent, now)
		if at != c.want || (w != nil) != c.warned {
			t.Errorf("%+v: %d %v", c, at, w)
		}
	}
}

func TestBody_WhatIdentifiesPeople_IsSealed(t *testing.T) {
	r := report.Report{ID: record.ID{1}, Category: record.Fire, Text: "planted text", Reporter: &report.Reporter{Name: "Planted", Phone: "0909"}}
	out, err := Body(Input{Report: r, Origin: "ward-26704", Device: "app-1", ReceivedAt: 5})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := out.Body.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"planted text", "Planted", "0909"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%q stands in the entry", secret)
		}
	}
	plain, err := out.Body.Payload.Sealed.Open(out.Key.Key)
	if err != nil || !bytes.Contains(plain, []byte("planted text")) {
		t.Fatal(err)
	}
}
