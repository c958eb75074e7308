package intake

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"wardline/hardware/panel"
	"wardline/hardware/panel/contactid"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

// full is a ledger that answers every append with one error.
type full struct {
	err  error
	kept []Malformed
}

func (f *full) Submit(_ Draft, done func(Kept, error)) { done(Kept{}, f.err) }
func (f *full) Decide(_ record.LaneID, decide func(View) ([]Draft, error), done func([]Kept, error)) {
	_, err := decide(noNotes{})
	done(nil, errors.Join(err, f.err))
}
func (f *full) Quarantine(m Malformed, done func(error)) {
	f.kept = append(f.kept, m)
	done(nil)
}
func (f *full) Clock() *record.Clock          { return record.NewClock(0, time.Now) }
func (f *full) ClockState() record.ClockState { return record.ClockSure }

type noNotes struct{}

func (noNotes) Note([]byte) []byte { return nil }

func TestDoor_PanelFrame_CountsOnceItIsKept(t *testing.T) {
	event := func(code string) panel.Frame {
		return panel.Frame{Kind: panel.KindEvent, Raw: []byte(code), ResendKey: []byte(code),
			Events: []panel.Event{{System: panel.SystemContactID, Account: "1234", Qualifier: panel.New, Code: code}}}
	}
	for _, failing := range []error{ErrLater, nil} {
		d := New(Config{Origin: "ward-26704", Ledger: &full{err: failing}, Rules: routing.DefaultRules, Wall: time.Now, Online: func() bool { return true },
			Log: slog.New(slog.DiscardHandler)})
		src := Source{Device: "panel-1", Ward: "26704", Kind: "panel", Via: "serial"}
		for _, f := range []panel.Frame{event("110"), event("602")} {
			d.Panel(src, PanelFrame{Frame: f, Window: time.Minute}, func(err error) {
				if !errors.Is(err, failing) {
					t.Errorf("answered %v", err)
				}
			})
		}
		want := int64(1)
		if failing != nil {
			want = 0
		}
		if c := d.Counts(); c.Reports.Load() != want || c.Tests.Load() != want {
			t.Errorf("with %v: %d alarms and %d tests are counted, of one each", failing, c.Reports.Load(), c.Tests.Load())
		}
	}
}

// TestDoor_WhatCanNeverBeKept_IsRefusedForGood: asked for again, it would fail
// again, and its sender would send nothing else for ever.
func TestDoor_WhatCanNeverBeKept_IsRefusedForGood(t *testing.T) {
	raw := []byte(`{"id":"018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","category":"fire"}`)
	for _, c := range []struct {
		err  error
		good bool // for good
	}{{errors.New("cannot be encoded"), true}, {errors.Join(ErrLater, errors.New("no room")), false}} {
		l := &full{err: c.err}
		d := New(Config{Origin: "ward-26704", Ledger: l, Rules: routing.DefaultRules, Wall: time.Now, Online: func() bool { return true },
			Log: slog.New(slog.DiscardHandler)})
		var got error
		d.Report(Source{Device: "app-1", Ward: "26704", Kind: "app", Via: "mqtt"}, raw, func(_ Answer, err error) { got = err })
		var p *report.Problem
		if refused := errors.As(got, &p); refused != c.good || (len(l.kept) == 1) != c.good {
			t.Errorf("%v: answered %v, %d kept raw", c.err, got, len(l.kept))
		}
		if !c.good && !errors.Is(got, ErrLater) {
			t.Errorf("%v: answered %v, which is not 'later'", c.err, got)
		}
	}
}

// taking is a ledger that takes what is decided.
type taking struct {
	full
	drafts []Draft
}

func (l *taking) Note([]byte) []byte { return nil }
func (l *taking) Decide(_ record.LaneID, f func(View) ([]Draft, error), done func([]Kept, error)) {
	d, err := f(l)
	l.drafts = append(l.drafts, d...)
	done(make([]Kept, len(d)), err)
}

func TestDoor_AlarmOfAShortAccount_IsFlagged(t *testing.T) {
	for account, want := range map[string]record.Flags{"45": record.FlagShortAccount, "1245": 0} {
		l := &taking{}
		d := New(Config{Origin: "ward-26704", Ledger: l, Rules: routing.DefaultRules, Wall: time.Now, Online: func() bool { return true }, Log: slog.New(slog.DiscardHandler)})
		e, err := contactid.Record(account + "E13001003")
		if err != nil {
			t.Fatal(err)
		}
		d.Panel(Source{Device: "panel-1", Ward: "26704", Kind: "panel", Via: "serial"}, PanelFrame{Frame: panel.Frame{Events: []panel.Event{e}}, Window: time.Minute},
			func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		if len(l.drafts) != 1 || l.drafts[0].Body.Payload.Flags != want {
			t.Errorf("%s: %+v", account, l.drafts)
		}
	}
}
