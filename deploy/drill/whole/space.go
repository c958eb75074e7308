package whole

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Bytes that are left free on a disk that runs full. A station refuses routine
// reports below 128 MiB and urgent ones below 48; a core node leaves the lead to others
// and takes no routine ones below 256 MiB, and ends below half of that.
const (
	lowStation = 88 << 20
	lowCore    = 192 << 20
)

// refusedWithin is how long after a disk ran low a routine report must be
// refused, and an urgent one be taken by the city.
const refusedWithin = 15 * time.Second

// full fills disks, frees them again after some seconds, and meanwhile holds
// the city to what it says of them.
func (m *master) full(ctx context.Context) {
	cores := m.w.names()[1:]
	names, deep := []string{station}, m.r.IntN(2) == 0
	switch m.r.IntN(3) {
	case 0:
		names = cores
	case 1:
		names = []string{cores[m.r.IntN(len(cores))]}
	}
	d := time.Duration(2000+m.r.IntN(3000)) * time.Millisecond
	if len(m.idle(names...)) < len(names) {
		return
	}
	m.tally.Full++
	m.during(names, func() error { return m.fullFor(ctx, names, deep, d) })
}

func (m *master) fullFor(ctx context.Context, names []string, deep bool, d time.Duration) error {
	who := strings.Join(names, ", ")
	ready := context.WithoutCancel(ctx)
	for _, n := range names { // what died before has come back
		m.w.ready(ready, m.w.urlOf(n))
	}
	pids := m.pids(names)
	m.w.note("the disk of %s is nearly full, for %v", who, d)
	var err error
	for _, n := range names {
		err = errors.Join(err, m.disks[n].fill(map[bool]int64{true: lowStation, false: lowCore}[n == station]))
	}
	if base, ok := map[string]string{station: m.w.file.Station[0].URL, "core-1, core-2, core-3": m.w.file.Command.URL}[who]; ok && err == nil {
		m.refuses(ready, base, who)
	}
	pause(ctx, d)
	if now := m.pids(names); !slices.Equal(now, pids) {
		m.b.fault("died: of %s some process has ended although its disk was only nearly full (%v, now %v)", who, pids, now)
	}
	fill := func() error {
		for _, n := range names {
			if deep && err == nil {
				m.w.note("the disk of %s is full to the last block", n)
				err = m.disks[n].fill(0)
			}
		}
		if deep {
			pause(ctx, d)
		}
		for _, n := range names {
			err = errors.Join(err, m.disks[n].empty())
		}
		m.w.note("the disk of %s has room again", who)
		return err
	}
	if !deep { // an urgent report has its bound all the time
		return fill()
	}
	return m.hurt(names, fill)
}

func (m *master) pids(names []string) (out []int) {
	for _, n := range names {
		out = append(out, m.w.pid(n))
	}
	return out
}

// refuses proves that where the disk runs full a routine report is refused
// with a reason, and an urgent one is taken.
func (m *master) refuses(ctx context.Context, base, who string) {
	door := atCity
	if base == m.w.file.Station[0].URL {
		door = atWard
	}
	p := &phone{w: m.w, b: m.b, id: m.w.file.Devices[0].ID, r: seeded(m.w.o.Seed, "probe "+who+time.Now().String())}
	c := newClient(base, p.id, m.w.file.Devices[0].Password, true)
	last := ""
	for _, want := range []string{"feedback", "fire"} {
		began := time.Now()
		for done := false; !done; {
			it := p.drawOf(want)
			sent := time.Now()
			status, raw, err := c.exchange(ctx, "POST", "/api/v1/reports", it.body)
			last = fmt.Sprintf("%d %.150s %v", status, raw, err)
			if status == http.StatusCreated {
				p.took(it, door)
			}
			switch {
			case want == "fire" && status == http.StatusCreated:
				done = true
			case want == "feedback" && status == http.StatusInsufficientStorage && strings.Contains(string(raw), `"detail"`):
				done = true
			case time.Since(began) > refusedWithin:
				m.b.fault("full: with the disk of %s nearly full, within %v no %s report got what it must, at last: %s", who, refusedWithin, want, last)
				return
			default:
				if urgentOf(want) && door == atWard && time.Since(sent) > m.w.o.Bound {
					m.b.fault("urgent: report %s waited %v at a ward whose disk is nearly full: %s", it.id, time.Since(sent), last)
				}
				pause(ctx, 50*time.Millisecond)
			}
		}
	}
}

// unwritten lets writes to new blocks of a disk fail although its file system
// has room, until the process has noticed.
func (m *master) unwritten(ctx context.Context) {
	names := m.idle(m.w.names()[m.r.IntN(4)])
	if len(names) == 0 {
		return
	}
	name := names[0]
	m.during(names, func() error {
		return m.hurt(names, func() error {
			d, pid := m.disks[name], m.w.pid(name)
			m.w.note("writes to the disk of %s fail", name)
			if err := d.exhaust(); err != nil {
				return err
			}
			for end := time.Now().Add(8 * time.Second); m.w.pid(name) == pid && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			if m.w.pid(name) != pid {
				m.w.note("%s has ended of it", name)
				m.mu.Lock()
				m.tally.Unwritten++
				m.mu.Unlock()
			}
			err := d.refill(sizeOf(name))
			m.w.command("kill", name)
			err = errors.Join(err, d.again()) // a process that went on after the failure loses what it believes to have
			m.w.command("start", name)
			return err
		})
	})
}

// stall lets the leader's disk stand still until another node leads, which the
// leader itself must bring about. In the short form it goes on before that.
func (m *master) stall(ctx context.Context) {
	name := m.w.leader(ctx)
	if name == "" || m.busy[name] {
		return
	}
	short := time.Duration(500+m.r.IntN(2500)) * time.Millisecond
	m.tally.Stalls++
	m.during([]string{name}, func() error {
		m.w.note("the disk of %s, which leads, stands still", name)
		began, d := time.Now(), m.disks[name]
		if err := d.freeze(); err != nil {
			return err
		}
		if m.w.o.Short {
			pause(ctx, short)
		} else {
			m.takeover(context.WithoutCancel(ctx), name, began)
		}
		m.w.note("the disk of %s goes on after %v", name, time.Since(began).Round(time.Millisecond))
		return d.thaw()
	})
}

// takeover waits until another node leads.
func (m *master) takeover(ctx context.Context, name string, began time.Time) {
	for m.w.leader(ctx, name) == "" {
		if time.Since(began) > stallLimit {
			m.b.fault("stall: no other node leads %v after the disk of %s, which led, stood still", stallLimit, name)
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tally.Takeover = max(m.tally.Takeover, time.Since(began))
}

// stallLimit is how long a leader's disk stands still at most: longer than the
// node waits for it (10 s) and an election, with the others killed or stopped meanwhile.
const stallLimit = 40 * time.Second
