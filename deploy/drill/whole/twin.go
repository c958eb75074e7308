package whole

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"wardline/edge"
)

// twin is a second station that runs from a copy of the first one's disk,
// with the same name and the same line.
type twin struct {
	m    *master
	cmd  *exec.Cmd
	gone chan error
	url  string
	p    *phone
	desk *client
	over chan struct{} // closed when nothing more is reported there
	done chan struct{} // closed when nothing more is on its way
}

// clone takes an image and starts a twin from it.
func (m *master) clone(ctx context.Context) error {
	if err := m.takeImage("clone"); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(m.w.dir, "conf", station+".json"))
	if err != nil {
		return err
	}
	var c edge.Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.HTTP, c.Dir = l.Addr().String(), filepath.Join(m.w.o.Dir, "clone")
	c.MQTT, c.MQTTWS, c.Panels, c.Bridges = "", "", nil, nil
	c.TLS = edge.TLS{TokenFile: c.TLS.TokenFile} // the addresses are taken
	if raw, err = json.Marshal(c); err != nil {
		return errors.Join(err, l.Close())
	}
	conf := filepath.Join(m.w.o.Dir, "clone.json")
	if err := errors.Join(os.WriteFile(conf, raw, 0o600), l.Close()); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(m.w.o.Dir, "clone.log"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the process has its own
	d := m.w.file.Devices[0]
	t := &twin{m: m, url: "http://" + c.HTTP, gone: make(chan error, 1), over: make(chan struct{}), done: make(chan struct{}),
		p: &phone{w: m.w, b: m.b, id: d.ID, r: seeded(m.w.o.Seed, "twin"), keeps: true}}
	t.desk = m.w.officer(t.url, "supervisor")
	t.cmd = exec.Command(m.w.o.Binary, "edge", "--config", conf)
	t.cmd.Stdout, t.cmd.Stderr = out, out
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := t.cmd.Start(); err != nil {
		return err
	}
	m.w.note("a second station runs from the image")
	go func() { t.gone <- t.cmd.Wait() }()
	m.twin, m.swapped = t, true
	go t.report(ctx, newClient(t.url, d.ID, d.Password, true), newClient(m.w.file.Station[0].URL, d.ID, d.Password, true))
	return nil
}

// report sends to the twin, and part of it to the first station as well, as a
// source with memory does.
func (t *twin) report(ctx context.Context, here, there *client) {
	defer close(t.done)
	ctx = context.WithoutCancel(ctx)
	for pause(ctx, 250*time.Millisecond) {
		select {
		case <-t.over:
			return
		default:
		}
		it := t.p.draw()
		at := here
		for try := 0; try < 40; try++ {
			status, _, err := at.exchange(ctx, "POST", "/api/v1/reports", it.body)
			if err == nil && (status == http.StatusCreated || status == http.StatusOK) {
				t.p.took(it, atWard)
				if at == there || t.p.r.IntN(3) > 0 {
					break
				}
				at = there // offered again
			}
			pause(ctx, 100*time.Millisecond)
		}
	}
}

// sent waits until nothing of the twin is on its way any more.
func (t *twin) sent(ctx context.Context) error {
	last := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); pause(ctx, 200*time.Millisecond) {
		said, lag, err := line(ctx, t.desk)
		if err == nil && lag == 0 {
			return nil
		}
		last = fmt.Sprintf("%d on their way, alarms %q, %v", lag, said, err)
	}
	return errors.New(last)
}

// end lets both go on after each was heard, so that the clone is certain, and
// ends the twin when everything it acknowledged is in the city.
func (t *twin) end(ctx context.Context) error {
	pause(ctx, 2*time.Second)
	if err := t.sent(ctx); err != nil {
		t.m.b.fault("clone: the second station cannot send what it acknowledged: %v", err)
	}
	pause(ctx, 2*time.Second)
	close(t.over)
	<-t.done
	if err := t.sent(ctx); err != nil {
		t.m.b.fault("clone: the second station cannot send what it acknowledged: %v", err)
	}
	if said, _, err := line(ctx, t.desk); err != nil || !strings.Contains(said, "two ") && !strings.Contains(said, "another machine") {
		t.m.b.fault("named: the second station says nothing of the first: %q %v", said, err)
	}
	t.m.w.note("the second station ends")
	return t.kill(ctx)
}

// kill ends the process, in order if it can be.
func (t *twin) kill(ctx context.Context) error {
	_ = t.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-t.gone:
		return err
	case <-time.After(20 * time.Second):
		return errors.Join(errors.New("the second station does not end"), t.cmd.Process.Kill(), <-t.gone)
	}
}

// line is what a station says of its line to the city.
func line(ctx context.Context, c *client) (said string, lag uint64, err error) {
	var page struct {
		Items []struct {
			Line struct {
				Alarms []string
				Lag    uint64
			}
		}
	}
	if _, err := c.ask(ctx, "GET", "/api/v1/stations", nil, &page); err != nil {
		return "", 0, err
	}
	for _, s := range page.Items {
		said, lag = said+strings.Join(s.Line.Alarms, "; "), lag+s.Line.Lag
	}
	return said, lag, nil
}
