package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// proc is a process that is measured.
type proc struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

// start runs a program in the run's directory; its output goes to a file.
func (b *bench) start(name, bin string, args ...string) (*proc, error) {
	p := &proc{name: name, log: filepath.Join(b.dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if b.inside != nil {
		bin, args = b.inside.command(bin, args)
	}
	p.cmd = exec.Command(bin, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = b.dir, out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := errors.Join(p.cmd.Start(), out.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b.procs = append(b.procs, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stopTime is how long a process may take to end by itself.
const stopTime = 20 * time.Second

// stop ends the process and waits for it; safe to call again.
func (p *proc) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill() // it had its time
		<-p.done
	}
}

// running fails when the process has ended, with the end of its log.
func (p *proc) running() error {
	select {
	case <-p.done:
		out, err := os.ReadFile(p.log)
		return errors.Join(fmt.Errorf("%s ended: %v\n%s", p.name, p.err, out[max(0, len(out)-1500):]), err)
	default:
		return nil
	}
}

// guard ends the context that it gives when one of the run's processes ends by
// itself, and says which as the cause; call stop before ending them.
func (b *bench) guard(ctx context.Context) (guarded context.Context, stop func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	for _, p := range b.procs {
		if p.running() != nil {
			continue // it was stopped before
		}
		go func() {
			select {
			case <-p.done:
				cancel(p.running())
			case <-guarded.Done():
			}
		}()
	}
	return guarded, func() { cancel(nil) }
}

// until polls ok until it says yes; p must live meanwhile.
func (p *proc) until(ctx context.Context, what string, every time.Duration, ok func() bool) error {
	end := time.Now().Add(time.Minute)
	for !ok() {
		if err := p.running(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: not within a minute: %s", p.name, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
	return nil
}

// listens says whether an address takes connections.
func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	return err == nil && c.Close() == nil
}

var plain = &http.Client{Timeout: 3 * time.Second}

// answers says whether a URL is answered with 200.
func answers(url string) bool {
	r, err := plain.Get(url)
	return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
}

// Ports come from below the range out of which the kernel takes them for
// outgoing connections (ip(7), ip_local_port_range).
const firstPort, lastPort = 20000, 32000

// addr gives a loopback address that nobody listens on and that was not given before.
func (b *bench) addr() string {
	for {
		b.port++
		if b.port < firstPort || b.port > lastPort {
			b.port = firstPort + os.Getpid()%(lastPort-firstPort)
		}
		a := fmt.Sprintf("127.0.0.1:%d", b.port)
		if l, err := net.Listen("tcp", a); err == nil && l.Close() == nil {
			return a
		}
	}
}

// anon is the process's anonymous memory (RssAnon of proc(5), status), in bytes.
func (p *proc) anon() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no RssAnon in /proc; Linux 4.5 or newer is needed")
}

// cpu is the processor time that the process used so far (proc(5), stat, fields 14 and 15).
func (p *proc) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(f) < 13 {
		return 0, errors.New("/proc/stat is too short")
	}
	u, err1 := strconv.ParseInt(f[11], 10, 64)
	s, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(u+s) * (time.Second / 100), errors.Join(err1, err2)
}

// settle waits until the run's processes have no more to do, so that what one
// left undone is not charged to the next; it gives how long that took.
func (b *bench) settle(ctx context.Context) time.Duration {
	const look, idle, most = 400 * time.Millisecond, 100 * time.Millisecond, 20 * time.Second
	began := time.Now()
	for was := busy(b.procs); time.Since(began) < most; {
		select {
		case <-ctx.Done():
			return time.Since(began)
		case <-time.After(look):
		}
		now := busy(b.procs)
		if now-was < idle {
			break
		}
		was = now
	}
	return max(0, time.Since(began)-look)
}
