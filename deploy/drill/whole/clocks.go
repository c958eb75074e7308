package whole

import (
	"context"
	"os"
	"path/filepath"
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
// back or forth, or starts it as a box without a battery does; some seconds later
// it is set right.
func (m *master) clock(ctx context.Context) error {
	name := m.w.names()[m.r.IntN(4)]
	off := time.Duration(1+m.r.IntN(9*3600)) * time.Second
	if m.r.IntN(2) == 0 {
		off = -off
	}
	boots := m.r.IntN(3) == 0
	d := time.Duration(1500+m.r.IntN(5000)) * time.Millisecond
	if m.busy["clock of "+name] || boots && m.busy[name] {
		return nil
	}
	m.tally.Jumps++
	set := func() error {
		m.w.note("the clock of %s jumps by %v", name, off)
		return m.w.setClock(name, off)
	}
	if boots {
		off = -time.Since(time.Unix(60, 0)).Round(time.Second)
		set = func() error {
			m.w.note("%s starts in 1970", name)
			m.w.command("kill", name)
			defer m.w.command("start", name)
			return m.w.setClock(name, off)
		}
		if err := m.hurt([]string{name}, set); err != nil {
			return err
		}
	} else if err := set(); err != nil {
		return err
	}
	m.during([]string{"clock of " + name}, func() error {
		pause(ctx, d)
		m.w.note("the clock of %s is set right", name)
		return m.w.setClock(name, 0)
	})
	return nil
}
