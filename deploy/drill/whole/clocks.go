package whole

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// clocksVariable tells the program under test, which is built with the tag drill,
// where its processes find how far their clocks are off (deploy/cli, wall).
const clocksVariable = "WARDLINE_DRILL_CLOCKS"

func (w *town) clocks() string { return filepath.Join(w.o.Dir, "clocks") }

// setClock moves a process's clock; 0 sets it right.
func (w *town) setClock(name string, off time.Duration) error {
	path := filepath.Join(w.clocks(), name)
	if err := os.WriteFile(path+".new", []byte(off.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// clock lets the clock of one process jump while it runs, by up to nine hours
// back or forth, or starts it as a box without a battery does; or all clocks jump
// alike, as they do when the time server is wrong: then the city's time goes with them,
// forth alone. Some seconds later it is set right.
func (m *master) clock(ctx context.Context) error {
	name := m.w.names()[m.r.IntN(4)]
	off := time.Duration(1+m.r.IntN(9*3600)) * time.Second
	if m.r.IntN(2) == 0 {
		off = -off
	}
	boots := m.r.IntN(3) == 0
	d := time.Duration(1500+m.r.IntN(5000)) * time.Millisecond
	names := []string{name}
	if !boots && m.more.IntN(2) == 0 {
		names = m.w.names()
		if m.more.IntN(4) > 0 {
			off = off.Abs()
		}
	}
	var busy []string
	for _, n := range names {
		busy = append(busy, "clock of "+n)
	}
	if len(m.idle(busy...)) < len(busy) || boots && m.busy[name] {
		return nil
	}
	m.tally.Jumps++
	set := func(off time.Duration) (err error) {
		for _, n := range names {
			err = errors.Join(err, m.w.setClock(n, off))
		}
		return err
	}
	if boots {
		off = -time.Since(time.Unix(60, 0)).Round(time.Second)
		if err := m.hurt(names, func() error {
			m.w.note("%s starts in 1970", name)
			m.w.command("kill", name)
			defer m.w.command("start", name)
			return set(off)
		}); err != nil {
			return err
		}
	} else {
		m.w.note("the clock of %s jumps by %v", strings.Join(names, ", "), off)
		if err := set(off); err != nil {
			return err
		}
	}
	m.during(busy, func() error {
		pause(ctx, d)
		m.w.note("the clock of %s is set right", strings.Join(names, ", "))
		return set(0)
	})
	return nil
}
