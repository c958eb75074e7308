package core

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// TestRetention_ClosedForLongerThanTheRulesKeep_IsErasedOnce: what is open, closed lately
// or of a category that is kept without an end stays.
func TestRetention_ClosedForLongerThanTheRulesKeep_IsErasedOnce(t *testing.T) {
	x := newCity(t, t.TempDir(), 1)[0]
	x.start()
	id := func(n int) record.ID { return record.DerivedID("core-test", fmt.Append(nil, n)) }
	for n, c := range map[int]record.Category{1: record.Fire, 2: record.Fire, 3: record.Crime} {
		x.mustReport(n, c)
	}
	rules := routing.DefaultRules()
	rules.Version = 1
	fire := rules.Categories[record.Fire]
	fire.KeepDays = 30
	rules.Categories[record.Fire] = fire
	raw, err := routing.MarshalRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	by := identity.Officer{User: "root", Role: identity.Administrator, Unit: record.Command}
	if _, err := (backend{x.n}).ImportRules(t.Context(), by, raw); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if n == 1 {
			continue // the second one stays open
		}
		body := record.Body{ID: record.DerivedID("close", []byte{byte(n)}), Incident: id(n + 1), Kind: record.KindClose, Actor: record.Actor{Kind: record.ByOfficer, Name: "command", Unit: record.Command},
			Payload: record.Payload{Reason: "true"}}
		if _, err := (backend{x.n}).Act(t.Context(), body, nil); err != nil {
			t.Fatal(n+1, err)
		}
	}
	if err := x.n.view.CatchUp(t.Context(), x.n.machine.CityIndex()); err != nil {
		t.Fatal(err)
	}
	erased := func() (out []int) {
		for n := 1; n <= 3; n++ {
			rows, err := x.n.machine.Incident(id(n))
			if err != nil {
				t.Fatal(err)
			}
			var bodies []record.Body
			for _, r := range rows {
				bodies = append(bodies, r.Body)
			}
			if e := record.Fold(id(n), bodies).Erased; e != nil {
				if out = append(out, n); e.Reason != whyRetention {
					t.Errorf("its reason is %q", e.Reason)
				}
			}
		}
		return out
	}
	waitFor(t, "the city's time", func() bool { return x.n.machine.CityTime() > 0 })
	now := x.n.machine.CityTime()
	for _, step := range []struct {
		days int64
		done int
		want string
	}{{29, 0, "[]"}, {31, 1, "[1]"}, {32, 0, "[1]"}, {4000, 0, "[1]"}} {
		if err := x.n.view.CatchUp(t.Context(), x.n.machine.CityIndex()); err != nil {
			t.Fatal(err)
		}
		done, err := x.n.retainOnce(t.Context(), now+step.days*dayMillis)
		if err != nil || done != step.done {
			t.Errorf("after %d days %d were erased, want %d: %v", step.days, done, step.done, err)
		}
		if got := fmt.Sprint(erased()); got != step.want {
			t.Errorf("after %d days %s are erased, want %s", step.days, got, step.want)
		}
	}
}

// TestNode_WrappingDays_TurnTheKeyByTheCitysTime: with a day, the key changes within two and a half;
// with the default it does not.
func TestNode_WrappingDays_TurnTheKeyByTheCitysTime(t *testing.T) {
	for days, turns := range map[int]bool{1: true, 0: false} {
		x := newCity(t, t.TempDir(), 1)[0]
		var off atomic.Int64
		x.c.WrappingDays, x.c.Wall = days, func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
		x.start()
		waitFor(t, "the first wrapping key", func() bool { return x.n.machine.Wrapping().Gen == 1 })
		from := x.n.machine.CityTime()
		off.Store(int64(60 * time.Hour))
		if turns {
			waitFor(t, "the key turns", func() bool { return x.n.machine.Wrapping().Gen > 1 })
		} else {
			waitFor(t, "the city's time goes on", func() bool { return x.n.machine.CityTime()-from > (40 * time.Hour).Milliseconds() })
			if x.n.machine.Wrapping().Gen > 1 {
				t.Error("the key turned before its seven days")
			}
		}
		x.stop()
	}
}
