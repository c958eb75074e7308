package door

import (
	"bytes"
	"testing"

	"wardline/sync/record"
	"wardline/sync/report"
)

func TestBody_WrongClock_IsFlaggedAndDeadlinesRunFromReceipt(t *testing.T) {
	const now = int64(1_790_000_000_000)
	for _, c := range []struct {
		r       report.Report
		at      int64
		flagged bool
	}{
		{report.Report{}, now, false},
		{report.Report{CapturedAt: now - 5000}, now - 5000, false},
		{report.Report{CapturedAt: now + 999_000}, now, true},
		{report.Report{ClockDoubt: true}, now, true}, // it said a time that nobody can read
	} {
		c.r.ID, c.r.Category = record.ID{1}, record.Fire
		out, err := Body(Input{Report: c.r, Origin: "ward-26704", ReceivedAt: now})
		if err != nil {
			t.Fatal(err)
		}
		if out.Body.CapturedAt != c.at || (out.Body.Payload.Flags&record.FlagClock != 0) != c.flagged {
			t.Errorf("%+v: %d %v", c.r, out.Body.CapturedAt, out.Body.Payload.Flags)
		}
	}
}

func TestBody_WhatIdentifiesPeople_IsSealed(t *testing.T) {
	r := report.Report{ID: record.ID{1}, Category: record.Fire, Text: "planted text", Reporter: report.Reporter{Name: "Planted", Phone: "0909"}}
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
