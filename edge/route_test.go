package edge

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// TestStation_KilledWhileItRoutesAlone_RoutesTheRestAfterwards takes more reports
// than a station without its mark would look back to, and ends before they are routed.
func TestStation_KilledWhileItRoutesAlone_RoutesTheRestAfterwards(t *testing.T) {
	const reports = 3 * routeBack
	device := identity.Device{ID: "app-1", Ward: "26704", Kind: "app"}
	c := Config{Ward: "26704", Dir: t.TempDir(), HTTP: "127.0.0.1:0", Core: []string{"127.0.0.1:1"}}
	run := func(work func(s *Station)) {
		s, err := New(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		work(s)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	var ids []record.ID
	run(func(s *Station) {
		answers := make(chan error, reports)
		for range reports {
			id := record.NewID(time.Now())
			ids = append(ids, id)
			go func() {
				_, err := backend{s}.Report(t.Context(), device, fmt.Appendf(nil, `{"id":%q,"category":"fire"}`, id))
				answers <- err
			}()
		}
		for range reports {
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
	})
	run(func(s *Station) {
		waitFor(t, "every report is routed", func() bool {
			for len(ids) > 0 {
				id := ids[0]
				rows, err := s.ledger.Incident(id)
				if err != nil {
					t.Fatal(err)
				}
				routed := false
				for _, r := range rows {
					routed = routed || r.Body.Kind == record.KindRouted
				}
				if !routed {
					return false
				}
				ids = ids[1:]
			}
			return true
		})
	})
}
