// Package exercise says what an exercise is: a time and some wards in which reports may
// be marked as practice.
//
// The mark is made at birth, by the report's own source, and only while the exercise
// runs where the report belongs (Set.Marks); whatever else claims it is taken as real. No
// entry marks a report later: a false mark could bury an emergency. An officer's entry takes the
// mark away (record.KindReal), for good.
package exercise

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"wardline/sync/record"
)

// Limits of an exercise.
const (
	// MaxName bounds the name, in characters: it stands beside every report.
	MaxName = 80
	// MaxLength bounds how long one runs: a forgotten one ends by itself.
	MaxLength = 14 * 24 * time.Hour
	// MaxWards bounds the wards; the city has 168, and none named is all of them.
	MaxWards = 200
	// Max bounds the exercises that the city's state names.
	Max = 2000
)

// ErrExercise says that an entry states no exercise, or one that cannot be.
var ErrExercise = errors.New("exercise")

// Exercise is one as its latest entry states it. Times are milliseconds since the Unix
// epoch, UTC.
type Exercise struct {
	ID   record.ID `json:"id"`
	Name string    `json:"name"`
	From int64     `json:"from"`
	// Until is when it ends by itself, Ended when somebody ended it; 0: nobody did.
	Until int64 `json:"until"`
	Ended int64 `json:"ended,omitempty"`
	// Wards are where it is held; none is the whole city.
	Wards []record.WardCode `json:"wards,omitempty"`

	// By is who wrote the entry, Index its place in the city's order.
	By    string `json:"-"`
	Index uint64 `json:"-"`
}

// Validate names the field that is wrong.
func (x *Exercise) Validate() error {
	wrong := func(field, format string, a ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrExercise, field, fmt.Sprintf(format, a...))
	}
	switch n := utf8.RuneCountInString(x.Name); {
	case x.ID.Zero():
		return wrong("id", "missing")
	case strings.TrimSpace(x.Name) == "" || n > MaxName || strings.ContainsFunc(x.Name, unicode.IsControl):
		return wrong("name", "write 1 to %d characters", MaxName)
	case x.From <= 0 || x.Until <= x.From:
		return wrong("until", "is not after from")
	case x.Until-x.From > MaxLength.Milliseconds():
		return wrong("until", "an exercise lasts at most %d days", int(MaxLength.Hours())/24)
	case len(x.Wards) > MaxWards:
		return wrong("wards", "at most %d; leave them out for the whole city", MaxWards)
	}
	for _, w := range x.Wards {
		if !w.Valid() {
			return wrong("wards", "%.20q is no ward's code of five digits", string(w))
		}
	}
	return nil
}

// Field is the member at the head of an error's text.
func Field(err error) string {
	rest := strings.TrimPrefix(err.Error(), ErrExercise.Error()+": ")
	field, _, _ := strings.Cut(rest, ":")
	return field
}

// Payload is the exercise as an entry states it.
func (x *Exercise) Payload() (record.Payload, error) {
	data, err := json.Marshal(x)
	return record.Payload{Target: x.ID, Until: x.Until, Data: data}, err
}

// Of reads an exercise from its entry at a place in the city's order.
func Of(b *record.Body, index uint64) (x Exercise, err error) {
	if b.Kind != record.KindExercise || b.Origin != record.CoreOrigin {
		return x, ErrExercise
	}
	if err := json.Unmarshal(b.Payload.Data, &x); err != nil {
		return x, fmt.Errorf("%w: %w", ErrExercise, err)
	}
	x.By, x.Index = b.Actor.Name, index
	return x, x.Validate()
}

// Runs says whether the exercise is held at a time.
func (x *Exercise) Runs(at int64) bool {
	return at >= x.From && at < x.Until && (x.Ended == 0 || at < x.Ended)
}

// In says whether it is held in a ward; "" is in none but the whole city's.
func (x *Exercise) In(w record.WardCode) bool {
	return len(x.Wards) == 0 || slices.Contains(x.Wards, w)
}

// Set is what a machine knows of exercises.
type Set map[record.ID]Exercise

// Take keeps the latest entry of each.
func (s Set) Take(x Exercise) {
	if old, known := s[x.ID]; !known || x.Index >= old.Index {
		s[x.ID] = x
	}
}

// Marks says whether a report that its source marked may keep the mark: its exercise
// runs now, and where the report belongs.
func (s Set) Marks(id record.ID, w record.WardCode, at int64) bool {
	x, known := s[id]
	return known && x.Runs(at) && x.In(w)
}
