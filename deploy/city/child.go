package city

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// child is one process of the city.
type child struct {
	name string
	args []string
	dir  string

	mu      sync.Mutex // guards below
	cmd     *exec.Cmd
	stopped bool
	gone    chan struct{} // closed when cmd has ended; nil before the first start
	wake    chan struct{}
}

func (k *child) ended() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cmd = nil
	close(k.gone)
}

// restartAfter is how long a dead child stays dead.
const restartAfter = time.Second

// keep runs a child and starts it again when it dies.
func (c *City) keep(ctx context.Context, k *child) {
	for ctx.Err() == nil {
		k.mu.Lock()
		stopped := k.stopped
		k.mu.Unlock()
		if !stopped {
			if err := c.once(ctx, k); err != nil && ctx.Err() == nil {
				c.log.Warn("a process of the city ended", "name", k.name, "err", err)
				if err := c.publishIfReady(); err != nil { // its pid is nobody's now
					c.log.Error("city.json", "err", err)
				}
			}
		}
		k.mu.Lock()
		stopped = k.stopped || c.o.NoRestart
		k.mu.Unlock()
		wait := make(<-chan time.Time)
		if !stopped {
			wait = time.After(restartAfter)
		}
		select {
		case <-ctx.Done():
		case <-wait:
		case <-k.wake:
		}
	}
}

func (c *City) once(ctx context.Context, k *child) error {
	out, err := os.OpenFile(filepath.Join(k.dir, k.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the child has its own
	cmd := exec.Command(c.o.Binary, k.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	k.mu.Lock()
	k.cmd, k.gone = cmd, make(chan struct{})
	k.mu.Unlock()
	defer k.ended()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if err := c.publishIfReady(); err != nil {
		c.log.Error("city.json", "err", err)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case err := <-done:
		return err
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill() // it had its time
		return <-done
	}
}
