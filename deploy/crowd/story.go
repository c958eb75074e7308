package crowd

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"time"

	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
)

// stories says what people report, seeded. Used by one goroutine.
type stories struct {
	r         *rand.Rand
	kind      Kind
	malformed float64
	text      map[record.Category][]string
}

const (
	// metre is a metre in degrees of latitude.
	metre = 1.0 / 111_320
	// spread is how far from a ward's centre its people report, metres, as a
	// standard deviation: most places lie in the ward, some in a neighbour.
	spread = 1500
	// fallbackLat and fallbackLon are the centre of the city, for a ward that is not
	// in the built-in list.
	fallbackLat, fallbackLon = 10.7765, 106.7009
)

func newStories(seed uint64, kind Kind, malformed float64) *stories {
	return &stories{r: rand.New(rand.NewPCG(seed, 0x4e67)), kind: kind, malformed: malformed, text: texts}
}

// share is a category and how many of a thousand reports have it.
type share struct {
	c record.Category
	n int
}

// Most reports are no emergency: figures that were published count 88 to 97 %
// of calls as pranks or none of the police's business.
var (
	appMix = []share{{record.Feedback, 430}, {record.Security, 380}, {record.Crime, 60}, {record.TrafficAccident, 55},
		{record.Fire, 25}, {record.Medical, 25}, {record.Emergency, 15}, {record.Panic, 10}}
	kioskMix = []share{{record.Feedback, 900}, {record.Security, 85}, {record.Crime, 8}, {record.Medical, 4}, {record.Emergency, 2}, {record.Panic, 1}}
)

func (s *stories) category() record.Category {
	mix := appMix
	if s.kind == Kiosk {
		mix = kioskMix
	}
	k := s.r.IntN(1000)
	for _, m := range mix {
		if k -= m.n; k < 0 {
			return m.c
		}
	}
	return record.Feedback
}

type locationJSON struct {
	Lat       float64 `json:"lat"`
	Lon       float64 `json:"lon"`
	AccuracyM float64 `json:"accuracy_m,omitempty"`
}

type reporterJSON struct {
	Name      string `json:"name,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`
}

type reportJSON struct {
	ID         string          `json:"id"`
	Category   record.Category `json:"category"`
	Text       string          `json:"text,omitempty"`
	PlaceText  string          `json:"place_text,omitempty"`
	Location   *locationJSON   `json:"location,omitempty"`
	CapturedAt string          `json:"captured_at,omitempty"`
	SentAt     string          `json:"sent_at,omitempty"`
	Reporter   *reporterJSON   `json:"reporter,omitempty"`
}

const stamp = "2006-01-02T15:04:05.000Z"

// next is the next report from a device in the ward.
func (s *stories) next(ward record.WardCode, now time.Time) *item {
	now = now.UTC()
	r := reportJSON{Category: s.category()}
	if list := s.text[r.Category]; s.r.IntN(10) > 0 {
		r.Text = list[s.r.IntN(len(list))]
	}
	if s.r.IntN(4) == 0 {
		r.PlaceText = places[s.r.IntN(len(places))]
	}
	x, y, accuracy := s.r.NormFloat64(), s.r.NormFloat64(), 5+s.r.ExpFloat64()*20
	near := s.kind == Kiosk // a kiosk knows where it stands
	if near || s.r.IntN(10) < 9 {
		if near {
			x, y, accuracy = 0, 0, 5
		}
		r.Location = place(ward, x, y)
		switch k := s.r.IntN(20); {
		case k == 0:
			r.Location.AccuracyM = 5000 // a phone that knows its cell only
		case k < 16:
			r.Location.AccuracyM = math.Round(min(accuracy, 300)*10) / 10
		}
	}
	if age := time.Duration(s.r.ExpFloat64() * float64(20*time.Second)); s.r.IntN(4) > 0 {
		r.CapturedAt = now.Add(-min(age, 10*time.Minute)).Format(stamp)
	}
	if s.r.IntN(2) == 0 {
		r.SentAt = now.Format(stamp)
	}
	switch s.r.IntN(10) {
	case 0:
		r.Reporter = &reporterJSON{Anonymous: true}
	case 1, 2:
		r.Reporter = &reporterJSON{Name: names[s.r.IntN(len(names))]}
	}
	bad, how := s.r.Float64() < s.malformed, s.r.IntN(len(damages))
	id := record.NewID(now)
	r.ID = id.String()
	b, err := json.Marshal(r)
	if err != nil {
		panic("crowd: a report of plain texts and numbers: " + err.Error())
	}
	if bad {
		b = damages[how](b, r.ID)
	}
	return newItem(id, b, bad)
}

func place(ward record.WardCode, x, y float64) *locationJSON {
	lat, lon := fallbackLat, fallbackLon
	if w, ok := routing.Centres().Find(ward); ok {
		lat, lon = float64(w.Centre.LatE7)/1e7, float64(w.Centre.LonE7)/1e7
	}
	lat += y * spread * metre
	lon += x * spread * metre / math.Cos(lat*math.Pi/180)
	return &locationJSON{Lat: math.Round(lat*1e7) / 1e7, Lon: math.Round(lon*1e7) / 1e7}
}

// damages turn a report into one that no door may take. The id stays
// readable in some.
var damages = []func(b []byte, id string) []byte{
	func(b []byte, _ string) []byte { return b[:len(b)-1] },
	func(_ []byte, id string) []byte { return []byte(`{"id":"` + id + `","category":"earthquake"}`) },
	func(_ []byte, id string) []byte {
		return []byte(`{"id":"` + id + `","category":"fire","location":{"lat":106.7,"lon":10.7}}`) // the two exchanged
	},
	func(_ []byte, id string) []byte { return []byte(`{"id":"` + id + `","category":"crime","text":7}`) },
	func(b []byte, id string) []byte { return bytes.Replace(b, []byte(id), []byte("1"), 1) },
	func(_ []byte, id string) []byte {
		return []byte(`{"id":"` + id + `","category":"feedback","text":"` + "Th\xf4ng b\xe1o" + `"}`) // Latin-1
	},
	func(_ []byte, id string) []byte {
		return append(append([]byte(`{"id":"`+id+`","category":"feedback","text":"`), bytes.Repeat([]byte("a"), report.MaxText+1)...), `"}`...)
	},
}
