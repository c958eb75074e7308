package whole

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// master lets the faults happen. Everyday faults that overlap are on purpose.
type master struct {
	w      *town
	b      *book
	r      *rand.Rand
	more   *rand.Rand       // of what was added later: r's draws stay what they were
	disks  map[string]*disk // by process; nil without disks of their own
	tally  *Tally
	images int
	imaged string     // the core node whose image was taken
	twin   *twin      // nil without a clone
	flips  []flipped  // whose process said nothing of it
	bad    url.Values // how bad the line is when it has no fault
	// imageAt is when the image was taken, swapped that it was put back, and
	// rolledBack that the city held more then.
	imageAt             time.Time
	swapped, rolledBack bool

	wg   sync.WaitGroup
	busy map[string]bool // processes that have a fault; used by run alone
	free chan string     // names whose fault is over
	cut  bool            // the line has a fault; used by run alone
	rows bool            // a kill of the station may be several in a row

	mu    sync.Mutex // guards below, and what faults that last write to tally
	broke error      // what the drill itself could not do
}

// run injects faults until ctx ends, then waits for those under way.
func (m *master) run(ctx context.Context, calamity string) error {
	m.busy, m.free = map[string]bool{}, make(chan string, 64)
	m.rows = slices.Contains(inRows, calamity)
	if calamity == cell { // 200 kbit/s, 300 to 500 ms one way, one read in fifty waits for a lost packet
		m.bad = url.Values{"rate": {"25000"}, "latency": {"300ms"}, "jitter": {"200ms"}, "loss": {"0.02"}}
		m.whole()
		calamity = calm
	}
	if calamity == outage { // until heal
		m.w.note("the line is a black hole for %v", m.w.o.Faults)
		m.w.control("cut", url.Values{"mode": {"blackhole"}})
		m.cut, m.tally.Cuts = true, m.tally.Cuts+1
		calamity = calm
	}
	end := m.w.o.Faults
	due, began := end/4+time.Duration(m.r.Int64N(int64(end/4))), time.Now()
	done := false
	for pause(ctx, time.Duration(150+m.r.IntN(900))*time.Millisecond) {
		for drained := false; !drained; {
			select {
			case n := <-m.free:
				if delete(m.busy, n); n == "line" {
					m.cut = false
				}
			default:
				drained = true
			}
		}
		since := time.Since(began)
		if since > due && !done && calamity != calm {
			again, err := m.calamity(ctx, calamity)
			if err != nil {
				return err
			}
			if done = !again; again {
				due = since + time.Duration(2000+m.r.IntN(2500))*time.Millisecond
			}
			continue
		}
		m.pick(ctx)
	}
	m.wg.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broke
}

// pick lets one everyday fault begin.
func (m *master) pick(ctx context.Context) {
	name := m.w.names()[m.r.IntN(4)]
	switch k := m.r.IntN(100); {
	case k < 30:
		m.kill(ctx, name)
	case k < 36: // two at once
		m.kill(ctx, name)
		m.kill(ctx, m.w.names()[m.r.IntN(4)])
	case k < 39:
		for _, n := range m.w.names() {
			m.kill(ctx, n)
		}
	case k < 55:
		d := time.Duration(200+m.r.IntN(1800)) * time.Millisecond
		if long := m.r.IntN(3) == 0; long && !m.w.o.Short {
			d += 6 * time.Second
		}
		m.freeze(ctx, name, d)
	case k < 62:
		m.stop(ctx, name, time.Duration(300+m.r.IntN(3000))*time.Millisecond)
	case k < 82:
		mode := []string{"refuse", "blackhole", "up", "down"}[m.r.IntN(4)]
		m.line(ctx, "cut: "+mode, "cut", url.Values{"mode": {mode}}, time.Duration(300+m.r.IntN(4000))*time.Millisecond)
	case k < 88:
		m.flap(ctx, 3+m.r.IntN(8))
	default:
		bad := url.Values{"latency": {fmt.Sprintf("%dms", m.r.IntN(600))}, "jitter": {fmt.Sprintf("%dms", m.r.IntN(400))}, "way": {[]string{"", "up", "down"}[m.r.IntN(3)]}, "loss": {fmt.Sprint(float64(m.r.IntN(20)) / 100)}}
		if m.r.IntN(2) == 0 {
			bad.Set("rate", fmt.Sprint(4000+m.r.IntN(60000)))
		}
		m.line(ctx, "slow: "+bad.Encode(), "slow", bad, time.Duration(1000+m.r.IntN(5000))*time.Millisecond)
	}
}

// later runs f in d, or when ctx ends, and frees the name.
func (m *master) later(ctx context.Context, name string, d time.Duration, f func()) {
	m.busy[name] = true
	m.wg.Add(1)
	go func() {
		defer m.wg.Done()
		pause(ctx, d)
		f()
		m.free <- name
	}()
}

// hurts begins a fault of the station's own.
func (m *master) hurts(ctx context.Context, name string) {
	if name == station {
		m.w.woundUntilReady(context.WithoutCancel(ctx))
	}
}

func (m *master) kill(ctx context.Context, name string) {
	if m.busy[name] {
		return
	}
	m.hurts(ctx, name)
	if err := m.w.signal(name, syscall.SIGKILL); err != nil {
		return // it is down already
	}
	m.w.note("kill -9 %s", name)
	m.killed()
	if name == station && m.rows && m.more.IntN(2) == 0 {
		m.again(ctx, 1+m.more.IntN(4))
	}
}

func (m *master) killed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tally.Kills++
}

// again kills the station as soon as it is back, while it takes over what waited for
// it: that is when its disk gets most at once, and a random moment seldom falls into it.
func (m *master) again(ctx context.Context, n int) {
	after := make([]time.Duration, n)
	for i := range after {
		after[i] = time.Duration(m.more.IntN(500)) * time.Millisecond
	}
	m.during([]string{station}, func() error {
		for _, d := range after {
			// The parent starts it in a second; until it is seen dead it would be the old one that answers.
			if !pause(ctx, 300*time.Millisecond) || !m.w.ready(ctx, m.w.file.Station[0].URL) || !pause(ctx, d) {
				return nil
			}
			m.hurts(ctx, station)
			if m.w.signal(station, syscall.SIGKILL) == nil {
				m.w.note("kill -9 %s, %v after it was back", station, d)
				m.killed()
			}
		}
		return nil
	})
}

func (m *master) freeze(ctx context.Context, name string, d time.Duration) {
	if m.busy[name] {
		return
	}
	pid := m.w.pid(name)
	if pid == 0 {
		return
	}
	if name == station {
		m.w.wound()
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		if name == station {
			m.w.heal()
		}
		return
	}
	m.w.note("%s stands still for %v", name, d)
	m.tally.Stops++
	m.later(ctx, name, d, func() {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may be gone
		if name == station {
			m.hurts(ctx, name) // until it has answered again
			m.w.heal()
		}
	})
}

func (m *master) stop(ctx context.Context, name string, d time.Duration) {
	if m.busy[name] {
		return
	}
	if name == station {
		m.w.wound()
	}
	m.w.note("%s is stopped for %v", name, d)
	m.tally.Stops++
	m.later(ctx, name, d, func() {
		m.w.control("start", url.Values{"name": {name}})
		if name == station {
			m.hurts(ctx, name)
			m.w.heal()
		}
	})
	m.w.control("stop", url.Values{"name": {name}})
}

func (m *master) line(ctx context.Context, what, command string, args url.Values, d time.Duration) {
	if m.cut {
		return
	}
	m.cut = true
	m.w.note("the line, for %v: %s", d, what)
	m.tally.Cuts++
	m.w.control(command, args)
	m.later(ctx, "line", d, func() { m.whole() })
}

func (m *master) whole() {
	m.w.control("cut", url.Values{"mode": {""}})
	m.w.control("slow", m.bad)
}

func (m *master) flap(ctx context.Context, n int) {
	if m.cut {
		return
	}
	m.w.note("the line flaps %d times", n)
	m.tally.Cuts++
	for range n {
		m.w.control("cut", url.Values{"mode": {"refuse"}})
		pause(ctx, time.Duration(20+m.r.IntN(150))*time.Millisecond)
		m.w.control("cut", url.Values{"mode": {""}})
		pause(ctx, time.Duration(20+m.r.IntN(400))*time.Millisecond)
	}
}

// heal ends every fault, and waits until every part answers.
func (m *master) heal(ctx context.Context) (err error) {
	m.bad = nil
	m.whole()
	m.w.control("whole", nil)
	for _, d := range m.disks { // a power cut brings back a filler that was taken away just before
		err = errors.Join(err, d.empty())
	}
	for _, n := range m.w.names() {
		err = errors.Join(err, m.w.setClock(n, 0))
		_ = m.w.signal(n, syscall.SIGCONT) // it may be down
		m.w.command("start", n)
	}
	for _, f := range m.flips {
		if !m.serves(ctx, f.name) {
			err = errors.Join(err, m.mend(ctx))
			break
		}
	}
	for _, base := range slices.Concat(m.w.cores(), []string{m.w.file.Station[0].URL, m.w.file.Command.URL}) {
		c, cancel := context.WithTimeout(ctx, startLimit)
		if !m.w.ready(c, base) {
			err = errors.Join(err, fmt.Errorf("%s does not serve %v after the last fault", base, startLimit))
		}
		cancel()
	}
	if m.twin != nil {
		err = errors.Join(err, m.twin.end(ctx))
	}
	return err
}

func (w *town) cores() (out []string) {
	for _, c := range w.file.Core {
		out = append(out, c.URL)
	}
	return out
}
