package api

import (
	"net/http"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// cityZone is the city's time, which has no summer time: an hour of the day means it.
var cityZone = time.FixedZone("ICT", 7*3600)

// maxTallies bounds the statistics that are being counted; each may take a second.
const maxTallies = 2

// maxSpan is the longest time that is counted at once.
const maxSpan = 366 * 24 * time.Hour

type stepTallyJSON struct {
	Step    string `json:"step"`
	Done    int    `json:"done"`
	Due     int    `json:"due"`
	Late    int    `json:"late"`
	MedianS *int   `json:"median_s"`
	P90S    *int   `json:"p90_s"`
}

type tallyLineJSON struct {
	Key      string          `json:"key"`
	Count    int             `json:"count"`
	Open     int             `json:"open"`
	Verdicts int             `json:"verdicts"`
	False    int             `json:"false"`
	Steps    []stepTallyJSON `json:"steps"`
}

type tallyJSON struct {
	From Time `json:"from"`
	To   Time `json:"to"`
	// Cut: more than could be counted at once; counted is from Earliest on.
	Cut      bool            `json:"cut"`
	Earliest *Time           `json:"earliest,omitempty"`
	Total    tallyLineJSON   `json:"total"`
	Wards    []tallyLineJSON `json:"by_lead"`
	Kinds    []tallyLineJSON `json:"by_category"`
	Hours    []tallyLineJSON `json:"by_hour"`
}

func tallyLines(in ...view.TallyLine) []tallyLineJSON {
	out := make([]tallyLineJSON, 0, len(in))
	for _, l := range in {
		j := tallyLineJSON{Key: l.Key, Count: l.Count, Open: l.Open, Verdicts: l.Verdicts, False: l.False}
		for i, s := range l.Steps {
			x := stepTallyJSON{Step: view.TallySteps[i], Done: s.Done, Due: s.Due, Late: s.Late}
			if s.Done > 0 {
				x.MedianS, x.P90S = &s.Median, &s.P90
			}
			j.Steps = append(j.Steps, x)
		}
		out = append(out, j)
	}
	return out
}

// getStatistics counts what was received in a time: how long the steps took and how
// many were late, by unit, category and hour.
func (s *Server) getStatistics(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	v := r.URL.Query()
	span := view.Span{Zone: cityZone, Now: s.Now().UnixMilli(), Category: record.Category(v.Get("category"))}
	if span.Category != "" && !span.Category.Valid() {
		return Problem(400, "unknown-category", "category", "%q is none of %v", span.Category, record.Categories)
	}
	if ward := record.WardCode(v.Get("ward")); ward != "" {
		if !ward.Valid() {
			return Problem(400, "invalid-ward", "ward", "a ward is five digits, for example 26704")
		}
		span.Lead = record.WardUnit(ward)
	}
	var err error
	if span.From, err = parseTime(v, "from"); err != nil {
		return err
	}
	if span.To, err = parseTime(v, "to"); err != nil {
		return err
	}
	if span.To == 0 {
		span.To = span.Now + 1
	}
	if span.From == 0 {
		span.From = span.To - (24 * time.Hour).Milliseconds()
	}
	if span.From >= span.To || span.To-span.From > maxSpan.Milliseconds() {
		return Problem(400, "out-of-range", "from", "before `to`, and at most 366 days before it")
	}
	if !o.SeesAll() {
		span.Unit = o.Unit
	}
	select {
	case s.tallies <- struct{}{}:
		defer func() { <-s.tallies }()
	default:
		e := Problem(503, "busy", "", "%d statistics are being counted at this node; ask again", maxTallies)
		e.RetryAfter = 2
		return e
	}
	t, err := s.Backend.Tally(r.Context(), span)
	if err != nil {
		return err
	}
	out := tallyJSON{From: Time(span.From), To: Time(span.To), Cut: t.Cut, Total: tallyLines(t.Total)[0], Wards: tallyLines(t.Wards...), Kinds: tallyLines(t.Kinds...), Hours: tallyLines(t.Hours...)}
	if t.Cut {
		e := Time(t.Earliest)
		out.Earliest = &e
	}
	return s.answer(w, 200, out)
}
