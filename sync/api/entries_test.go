package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// longCity is a city whose log is longer than a page.
type longCity struct {
	api.Backend
	entries uint64
}

func (c longCity) Entries(_ context.Context, after uint64, limit int) (out []api.EntryRow, _ error) {
	for n := after + 1; n <= c.entries && len(out) < limit; n++ {
		out = append(out, api.EntryRow{Index: n})
	}
	return out, nil
}

func (longCity) Digest(context.Context) (api.Digest, error) { return api.Digest{}, nil }

func TestEntries_LimitAboveAThousand_IsCutAndPagesAreWhole(t *testing.T) {
	o := identity.Officer{User: "auditor", Role: identity.Auditor, Unit: record.Command}
	dir := identity.NewDirectory()
	if err := dir.AddOfficer(o, identity.NewSecret()); err != nil {
		t.Fatal(err)
	}
	sessions := identity.NewSessions(time.Now, [32]byte{1}, dir)
	s := api.New(api.Config{Backend: longCity{entries: 2500}, Directory: dir, Sessions: sessions, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		query       string
		first, n    uint64
		next, isEnd uint64
	}{
		{"", 1, 100, 100, 0},
		{"?limit=1000", 1, 1000, 1000, 0},
		{"?limit=99999", 1, 1000, 1000, 0},
		{"?limit=99999&after=1000", 1001, 1000, 2000, 0},
		{"?limit=500&after=2000", 2001, 500, 0, 1}, // exactly to the end: null
		{"?limit=99999&after=2000", 2001, 500, 0, 1},
		{"?after=2500", 0, 0, 0, 1},
	} {
		r := httptest.NewRequest("GET", "/api/v1/entries"+c.query, nil)
		r.Header.Set("Cookie", "wardline_session="+sessions.Start(o))
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		var p struct {
			Items []struct{ Index uint64 }
			Next  *uint64
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 200 {
			t.Fatal(c.query, w.Code, err)
		}
		if uint64(len(p.Items)) != c.n || (c.n > 0 && p.Items[0].Index != c.first) || (p.Next == nil) != (c.isEnd == 1) || (p.Next != nil && *p.Next != c.next) {
			t.Errorf("%q: %d items, next %v", c.query, len(p.Items), p.Next)
		}
	}
}
