package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// startDoors serves a page behind small doors.
func startDoors(t *testing.T, half, open int) (*Server, string) {
	t.Helper()
	s := New(Config{Log: slog.New(slog.DiscardHandler)})
	s.doors.maxHalf, s.doors.maxOpen = half, open
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func healthy(t *testing.T, c *http.Client, addr string) {
	t.Helper()
	a, err := c.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, a.Body)
	if err = errors.Join(err, a.Body.Close()); err != nil || a.StatusCode != 200 {
		t.Fatal(a.StatusCode, err)
	}
}

// TestDoors_ManyWhoOnlyConnect_AreBounded_AndTheOthersAreServed: also a browser that
// keeps its connection from before, and one behind another address.
func TestDoors_ManyWhoOnlyConnect_AreBounded_AndTheOthersAreServed(t *testing.T) {
	s, addr := startDoors(t, 50, 200)
	kept := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	healthy(t, kept, addr)
	attacker := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Timeout: 10 * time.Second}
	slow, err := net.Dial("tcp", addr) // somebody else, who takes a while
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }() // the test is over
	for i := range 400 {
		c, err := attacker.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }() // as above
		if i%2 == 0 {
			if _, err := io.WriteString(c, "GET /"); err != nil && i < 10 { // a request that never comes whole
				t.Fatal(err)
			}
		}
		if i%100 == 99 {
			healthy(t, kept, addr)
			healthy(t, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}, addr)
		}
	}
	if open, half, ended := s.doors.count(); half > 50 || open > 200 || ended[endedHalf] < 300 {
		t.Errorf("%d open, %d half-open, ended %v", open, half, ended)
	}
	if _, err := fmt.Fprintf(slow, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(slow); err != nil || len(b) == 0 {
		t.Errorf("who came from another address was turned away: %v %q", err, b)
	}
}

// TestDoors_AllIdle_TheOldestGoes, AllBusy_TheNewOneDoes.
func TestDoors_AllIdle_TheOldestGoes_AllBusy_TheNewOneDoes(t *testing.T) {
	d := newDoors()
	d.maxOpen = 3
	pipes := make([]net.Conn, 5)
	closed := func(c net.Conn) bool {
		_ = c.SetReadDeadline(time.Now().Add(-time.Second)) // a closed pipe says so first
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, io.ErrClosedPipe)
	}
	ask := func(c net.Conn) {
		r, err := http.NewRequestWithContext(d.mark(context.Background(), c), "GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		d.asked(r)
	}
	for i := range pipes {
		pipes[i], _ = net.Pipe()
		d.state(pipes[i], http.StateNew)
		if i < 3 {
			ask(pipes[i])
			d.state(pipes[i], http.StateIdle)
		}
		if i == 3 {
			ask(pipes[3])
			d.state(pipes[1], http.StateActive)
			d.state(pipes[2], http.StateActive)
		}
	}
	for i, gone := range []bool{true, false, false, false, true} {
		if closed(pipes[i]) != gone {
			t.Errorf("connection %d: closed is not %v", i, gone)
		}
	}
	if open, half, ended := d.count(); open != 3 || half != 0 || ended != [endings]uint64{0, 1, 1} {
		t.Error(open, half, ended)
	}
	for _, c := range pipes {
		d.state(c, http.StateClosed)
	}
	if open, _, _ := d.count(); open != 0 || len(d.byAddr) != 0 {
		t.Errorf("%d are left", open)
	}
}
