package api

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"wardline/sync/exercise"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// Exercises tells of exercises, as far as this node knows.
type Exercises interface {
	Exercises(ctx context.Context) (exercise.Set, error)
}

// Exerciser makes and ends them; only the core can.
type Exerciser interface {
	SayExercise(ctx context.Context, by identity.Officer, x exercise.Exercise) error
}

// exerciseJSON is an exercise as people read it.
type exerciseJSON struct {
	ID    record.ID         `json:"id"`
	Name  string            `json:"name"`
	From  Time              `json:"from"`
	Until Time              `json:"until"`
	Ended *Time             `json:"ended,omitempty"`
	Wards []record.WardCode `json:"wards"`
	Runs  bool              `json:"runs"`
	By    string            `json:"by"`
}

func (s *Server) exerciseOf(x exercise.Exercise) exerciseJSON {
	j := exerciseJSON{ID: x.ID, Name: x.Name, From: Time(x.From), Until: Time(x.Until), Wards: append([]record.WardCode{}, x.Wards...), Runs: x.Runs(s.Now().UnixMilli()), By: x.By}
	if x.Ended > 0 {
		t := Time(x.Ended)
		j.Ended = &t
	}
	return j
}

// exercises is what this node knows; none where it knows of no exercises at all.
func (s *Server) exercises(ctx context.Context) (exercise.Set, error) {
	b, ok := s.Backend.(Exercises)
	if !ok {
		return nil, nil
	}
	return b.Exercises(ctx)
}

// getExercises lists them, the latest first.
func (s *Server) getExercises(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	all, err := s.exercises(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Items []exerciseJSON `json:"items"`
	}{[]exerciseJSON{}}
	for _, x := range slices.SortedFunc(maps.Values(all), func(a, b exercise.Exercise) int {
		return cmp.Or(cmp.Compare(b.From, a.From), cmp.Compare(b.Index, a.Index))
	}) {
		out.Items = append(out.Items, s.exerciseOf(x))
	}
	return s.answer(w, 200, out)
}

func (s *Server) exerciser() (Exerciser, error) {
	b, ok := s.Backend.(Exerciser)
	if !ok {
		return nil, Problem(404, "not-here", "", "exercises are made and ended at the core; stations hear of them")
	}
	return b, nil
}

// postExercise makes an exercise; the same id again changes its name, time or wards.
func (s *Server) postExercise(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.exerciser()
	if err != nil {
		return err
	}
	var in struct {
		ID    record.ID         `json:"id"`
		Name  string            `json:"name"`
		From  *Time             `json:"from"`
		Until *Time             `json:"until"`
		Wards []record.WardCode `json:"wards"`
	}
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.Until == nil {
		return Problem(400, "missing", "until", "say when it ends by itself, as RFC 3339")
	}
	x := exercise.Exercise{ID: in.ID, Name: in.Name, From: s.Now().UnixMilli(), Until: int64(*in.Until), Wards: in.Wards}
	if in.From != nil {
		x.From = int64(*in.From)
	}
	all, err := s.exercises(r.Context())
	if err != nil {
		return err
	}
	if old, known := all[x.ID]; known && old.Ended > 0 {
		return Problem(409, "ended", "id", "that exercise has ended; make another one")
	}
	if err := b.SayExercise(r.Context(), o, x); err != nil {
		return err
	}
	x.By = o.User
	return s.answer(w, 200, s.exerciseOf(x))
}

// Bounds of what one end closes: an exercise is some hundred reports.
const (
	maxLeftover  = 2000
	leftoverPage = 500
)

// postExerciseEnd ends an exercise and closes what is left of it, in the officer's name;
// sent again it goes on with what was left.
func (s *Server) postExerciseEnd(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.exerciser()
	if err != nil {
		return err
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	all, err := s.exercises(r.Context())
	if err != nil {
		return err
	}
	x, known := all[id]
	if !known {
		return Problem(404, "not-found", "id", "there is no exercise %s", id)
	}
	if now := s.Now().UnixMilli(); x.Ended == 0 {
		x.Ended = max(now, x.From+1)
		if err := b.SayExercise(r.Context(), o, x); err != nil {
			return err
		}
		x.By = o.User
	}
	closed, left, err := s.closeLeftover(r.Context(), o, x)
	if err != nil {
		return err
	}
	return s.answer(w, 200, struct {
		Exercise exerciseJSON `json:"exercise"`
		Closed   int          `json:"closed"`
		Left     int          `json:"left"`
	}{s.exerciseOf(x), closed, left})
}

// closeLeftover closes the open incidents of an exercise; left counts those that could
// not be, such as one that was made real or closed meanwhile.
func (s *Server) closeLeftover(ctx context.Context, o identity.Officer, x exercise.Exercise) (closed, left int, err error) {
	q := view.Query{Status: "open", Since: x.From - leftoverSlack, Limit: leftoverPage}
	for closed+left < maxLeftover {
		page, err := s.Backend.List(ctx, q)
		if err != nil {
			return closed, left, err
		}
		for i := range page.Rows {
			if page.Rows[i].Exercise != x.ID {
				continue
			}
			switch err := s.closePractice(ctx, o, page.Rows[i].ID); {
			case err == nil:
				closed++
			case isRefusal(err):
				left++
			default:
				return closed, left, err
			}
		}
		if page.Next == nil {
			break
		}
		q.Cursor = page.Next
	}
	return closed, left, nil
}

// leftoverSlack is how far before an exercise's begin its reports may be received by a
// clock that is behind, milliseconds.
const leftoverSlack = 60 * 60 * 1000

func isRefusal(err error) bool {
	var ref *record.Refusal
	var e *Error
	return errors.As(err, &ref) || errors.As(err, &e) && e.Status == 409
}

// closePractice closes one incident of an exercise, with whatever its holder was doing.
func (s *Server) closePractice(ctx context.Context, o identity.Officer, id record.ID) error {
	stored, err := s.Backend.Bodies(ctx, id)
	if err != nil {
		return err
	}
	in := record.Fold(id, bodiesOf(stored))
	if in.Exercise == nil || !in.Open() {
		return &record.Refusal{Code: "not_exercise"}
	}
	// In the name of the unit that leads, whose status it is; its holder lets go first.
	unit := in.Lead
	if unit == "" {
		unit = o.Unit
	}
	deps := in.Heads[:min(len(in.Heads), record.MaxDeps)]
	actor := record.Actor{Kind: record.ByOfficer, Name: o.User, Unit: o.Unit}
	if u, ok := in.Unit(unit); ok && u.Holder != nil && u.Holder.Officer != o.User {
		unit = o.Unit // the command centre's own close counts, and takes nothing from anybody
	}
	b := record.Body{ID: record.DerivedID("exercise-end", id[:]), Incident: id, Kind: record.KindClose, Deps: deps, Actor: actor, Payload: record.Payload{Reason: "exercise:ended"}}
	if unit != o.Unit {
		b.Payload.Unit = unit
	}
	_, err = s.Backend.Act(ctx, b, nil)
	return err
}
