package whole

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// drain is how long senders may take, after everything healed, to have their
// last reports acknowledged.
const drain = time.Minute

// Run is one seed: a city under load and faults, healed, and judged. An error
// says which check failed; o.Dir then holds everything that there is to look at.
func Run(ctx context.Context, o Options) (t Tally, err error) {
	t.Seed, t.Calamity = o.Seed, calamities[o.Seed%uint64(len(calamities))]
	if o.Only != "" {
		t.Calamity = o.Only
	}
	if all := append(slices.Clone(calamities), outage); !slices.Contains(all, t.Calamity) {
		return t, fmt.Errorf("calamity %q: one of %s", t.Calamity, strings.Join(all, ", "))
	}
	w := &town{o: o, dir: filepath.Join(o.Dir, "city"), began: time.Now()}
	b, err := openBook(filepath.Join(o.Dir, "acknowledged.jsonl"))
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	m := &master{w: w, b: b, r: seeded(o.Seed, "faults"), more: seeded(o.Seed, "more faults"), tally: &t}
	can, err := m.mountDisks(t.Calamity)
	if err != nil {
		return t, err
	}
	if !can {
		t.Calamity = calm
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.keepDisks())
		}
		err = errors.Join(err, m.closeDisks())
	}()
	defer w.end()
	w.wire = slices.Contains(wired, t.Calamity)
	if err := w.start(ctx); err != nil {
		return t, err
	}
	w.note("the city stands; calamity: %s", t.Calamity)
	load, over := context.WithCancel(ctx)
	defer over()
	making := make(chan struct{})
	var senders sync.WaitGroup
	f := people(load, w, b, o.Seed, making, &senders)
	faults, stop := context.WithTimeout(ctx, o.Faults)
	err = m.run(faults, t.Calamity)
	stop()
	healed := time.Now()
	w.note("everything heals")
	err = errors.Join(err, m.heal(ctx))
	pause(ctx, time.Second)
	close(making)
	late := time.AfterFunc(drain, over)
	senders.Wait()
	late.Stop()
	if err != nil {
		return t, fmt.Errorf("the drill itself: %w", err)
	}
	err = verdict(ctx, newJudge(w, b, &t, f, m), m, healed)
	if err != nil {
		w.note("FAILED: %v", err)
	}
	return t, err
}

// seeded is a source of its own for each use, so that one's draws do not
// shift another's.
func seeded(seed uint64, label string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(label)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// people starts everyone who sends. Of each kind of phone one keeps its
// reports until they are in the city, and one forgets what was acknowledged.
func people(ctx context.Context, w *town, b *book, seed uint64, making <-chan struct{}, wg *sync.WaitGroup) *finger {
	st, cmd := w.file.Station[0], w.file.Command.URL
	for i, d := range w.file.Devices {
		p := &phone{w: w, b: b, id: d.ID, password: d.Password, door: atWard, keeps: i%2 == 0, every: 60 * time.Millisecond, r: seeded(seed, d.ID)}
		switch i / 2 {
		case 0, 1:
			p.every = 25 * time.Millisecond
			wg.Go(func() { p.overMQTT(ctx, st.MQTT, making) })
		case 2:
			wg.Go(func() { p.overHTTP(ctx, making) })
		default:
			p.door = atCity
			wg.Go(func() { p.overHTTP(ctx, making) })
		}
	}
	for _, o := range []*officer{{c: w.officer(st.URL, "ward_officer"), door: atWard}, {c: w.officer(cmd, "command_officer"), door: atCity}} {
		o.b, o.every, o.r = b, 250*time.Millisecond, seeded(seed, "officer "+o.door)
		wg.Go(func() { o.work(ctx, making) })
	}
	f := &finger{w: w, b: b, every: 700 * time.Millisecond, r: seeded(seed, "finger")}
	for _, p := range st.Panels {
		if p.Protocol == "button" {
			wg.Go(func() { f.work(ctx, p.Device, p.Port, making) })
		}
	}
	return f
}

// mendAfter is how long after the last fault an operator looks at what a damaged
// disk still keeps from agreeing.
const mendAfter = 15 * time.Second

// verdict waits until everything has come to its end, and says what has not.
func verdict(ctx context.Context, j *judge, m *master, healed time.Time) (err error) {
	for _, a := range j.b.all() {
		switch a.What {
		case "press":
			j.tally.Presses++
		case "action":
			j.tally.Actions++
		}
		if j.tally.Acknowledged++; a.Keeps {
			j.tally.Kept++
		}
	}
	j.tally.Urgent = j.b.urgent
	auditor := j.w.officer(j.w.file.Command.URL, "auditor")
	agreed := map[string]bool{}
	for {
		err = func() error {
			if j.all, err = entries(ctx, auditor); err != nil {
				return fmt.Errorf("entries: %w", err)
			}
			j.tally.Entries = len(j.all)
			for _, check := range []func() error{j.listed, func() error { return j.named(ctx) }, func() error { return j.agree(ctx, agreed) }, func() error { return j.digests(ctx) }} {
				if err := check(); err != nil {
					return err
				}
			}
			return nil
		}()
		if bad := j.safety(); bad != nil {
			return bad
		}
		if err == nil {
			break
		}
		if len(m.flips) > 0 && time.Since(healed) > mendAfter {
			if bad := m.mend(ctx); bad != nil {
				return fmt.Errorf("the drill itself: %w", bad)
			}
		}
		if time.Since(healed) > j.w.o.Within || !pause(ctx, 300*time.Millisecond) {
			return fmt.Errorf("not within %v of the last fault: %w", j.w.o.Within, err)
		}
	}
	j.tally.Converged = time.Since(healed)
	for _, check := range []func(context.Context) error{j.malformed, j.proof} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return errors.Join(j.b.wrong...)
}

// Clean removes what a good run left.
func Clean(o Options) error { return os.RemoveAll(o.Dir) }
