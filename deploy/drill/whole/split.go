package whole

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// split keeps core nodes from each other for a while: one from all others, mostly the
// one that leads; one that is heard and hears nothing, or the other way round; two that
// both reach the third and not each other; or all from all.
func (m *master) split(ctx context.Context) {
	if m.busy["wires"] {
		return
	}
	names := m.w.names()[1:]
	m.r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	shape, mode, byLead := m.r.IntN(5), []string{"refuse", "blackhole", "blackhole", "up", "down"}[m.r.IntN(5)], m.r.IntN(3) > 0
	d := time.Duration(500+m.r.IntN(5500)) * time.Millisecond
	if lead := m.w.leader(ctx); byLead && lead != "" {
		for i, n := range names {
			if n == lead {
				names[0], names[i] = names[i], names[0]
			}
		}
	}
	var cuts [][2]string // from, to; empty: all
	switch shape {
	case 0:
		cuts = [][2]string{{names[0], ""}, {"", names[0]}}
	case 1:
		cuts = [][2]string{{names[0], ""}}
	case 2:
		cuts = [][2]string{{"", names[0]}}
	case 3:
		cuts = [][2]string{{names[0], names[1]}, {names[1], names[0]}}
	default:
		cuts = [][2]string{{"", ""}}
	}
	var said []string
	for _, c := range cuts {
		said = append(said, c[0]+"->"+c[1])
		m.w.control("between", url.Values{"from": {c[0]}, "to": {c[1]}, "mode": {mode}})
	}
	m.w.note("core nodes, for %v: %s of %s", d, mode, strings.Join(said, ", "))
	m.tally.Splits++
	m.later(ctx, "wires", d, func() { m.w.control("whole", nil) })
}

// coreImage takes an image of a core node's disk, and at the next step puts it back: the
// node has helped to commit what the image lacks.
func (m *master) coreImage(one string) (again bool, err error) {
	image := filepath.Join(m.w.o.Dir, "core-image")
	first := m.imaged == ""
	if first {
		m.imaged = one
	}
	name, dir := m.imaged, filepath.Join(m.w.dir, m.imaged)
	if m.busy[name] {
		if first {
			m.imaged = ""
		}
		return true, nil
	}
	m.w.command("kill", name)
	defer m.w.command("start", name)
	if first {
		m.w.note("an image of the disk of %s is taken", name)
		return true, os.CopyFS(image, os.DirFS(dir))
	}
	m.w.note("the image is put in the place of the disk of %s", name)
	return false, errors.Join(emptyDir(dir), os.CopyFS(dir, os.DirFS(image)))
}
