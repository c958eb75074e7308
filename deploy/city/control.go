package city

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"
)

// control answers the commands of `wardline city --cut` and the like, on a
// socket in the city's directory.
func (c *City) control(ctx context.Context) error {
	path, err := socket(c.o.Dir)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cut", func(w http.ResponseWriter, r *http.Request) { c.cut(w, Cut(r.FormValue("mode"))) })
	mux.HandleFunc("POST /between", func(w http.ResponseWriter, r *http.Request) {
		if mode := Cut(r.FormValue("mode")); known(w, mode) {
			c.between(w, r.FormValue("from"), r.FormValue("to"), mode)
		}
	})
	mux.HandleFunc("POST /whole", func(w http.ResponseWriter, _ *http.Request) {
		if len(c.wires) > 0 {
			c.between(w, "", "", CutNone)
		}
	})
	mux.HandleFunc("POST /slow", func(w http.ResponseWriter, r *http.Request) { c.slow(w, r) })
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) { c.command(w, r.FormValue("name"), syscall.SIGTERM) })
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, r *http.Request) { c.command(w, r.FormValue("name"), syscall.SIGKILL) })
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) { c.command(w, r.FormValue("name"), 0) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		_ = srv.Close() // everything ends now
		<-done
		return nil
	}
}

// known refuses a way to break a line that there is not.
func known(w http.ResponseWriter, mode Cut) bool {
	switch mode {
	case CutNone, CutRefuse, CutBlackhole, CutUp, CutDown:
		return true
	}
	http.Error(w, fmt.Sprintf("--cut=%s: one of refuse, blackhole, up, down", mode), 400)
	return false
}

func (c *City) cut(w http.ResponseWriter, mode Cut) {
	if !known(w, mode) {
		return
	}
	for _, p := range c.proxies {
		p.set(mode)
	}
	c.log.Info("the line was changed", "cut", string(mode))
}

// slow makes the line bad, or good again when nothing is asked for.
func (c *City) slow(w http.ResponseWriter, r *http.Request) {
	s := Slow{Way: Cut(r.FormValue("way"))}
	var errs [4]error
	if v := r.FormValue("latency"); v != "" {
		s.Latency, errs[0] = time.ParseDuration(v)
	}
	if v := r.FormValue("jitter"); v != "" {
		s.Jitter, errs[3] = time.ParseDuration(v)
	}
	if v := r.FormValue("rate"); v != "" {
		s.Rate, errs[1] = strconv.Atoi(v)
	}
	if v := r.FormValue("loss"); v != "" {
		s.Loss, errs[2] = strconv.ParseFloat(v, 64)
	}
	if err := errors.Join(errs[0], errs[1], errs[2], errs[3], s.Validate()); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	for _, p := range c.proxies {
		p.setSlow(s)
	}
	c.log.Info("the line was changed", "latency", s.Latency, "jitter", s.Jitter, "rate", s.Rate, "loss", s.Loss, "way", string(s.Way))
}

// command stops a process with a signal and leaves it stopped, or with 0
// starts it again.
func (c *City) command(w http.ResponseWriter, name string, sig syscall.Signal) {
	stop := sig != 0
	for _, k := range c.kids {
		if k.name != name {
			continue
		}
		k.mu.Lock()
		k.stopped = stop
		cmd, gone := k.cmd, k.gone
		k.mu.Unlock()
		select {
		case k.wake <- struct{}{}:
		default:
		}
		if !stop || cmd == nil {
			return
		}
		_ = cmd.Process.Signal(sig) // it may have ended by itself
		select {
		case <-gone:
			if err := c.publishIfReady(); err != nil { // before the answer: who asked may read the file now
				c.log.Error("city.json", "err", err)
			}
		case <-time.After(stopLimit):
			http.Error(w, fmt.Sprintf("%s has not ended within %v; kill %d if it must", name, stopLimit, cmd.Process.Pid), 504)
		}
		return
	}
	http.Error(w, fmt.Sprintf("no process is called %q; see city.json", name), 404)
}

// stopLimit is how long a process may take to end as it should.
const stopLimit = 15 * time.Second

// Control sends a command to the city that runs in dir.
func Control(dir, command string, args url.Values) error {
	sock, err := socket(dir)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 2 * stopLimit, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", sock)
	}}}
	r, err := client.PostForm("http://city/"+command, args)
	if err != nil {
		return fmt.Errorf("no city runs in %s: %w", dir, err)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, 4096))
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return err
	}
	if r.StatusCode != 200 {
		return fmt.Errorf("city: %s", b)
	}
	return nil
}
