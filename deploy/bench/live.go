package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/mqttload"
	"wardline/deploy/bench/reports"
)

// cityFile is what of city.json is needed here.
type cityFile struct {
	Command  struct{ URL string }
	Stations []struct{ Ward, URL, MQTT string }
	Officers []struct{ User, Password, Role string }
	Devices  []struct{ ID, Password, Ward string }
}

// live runs a whole city as `wardline city` does and measures the time from a
// device's publish until the command centre's live stream names the report.
func (b *bench) live(ctx context.Context) error {
	dir := filepath.Join(b.dir, "city")
	p, err := b.start("city", b.bin, "city", "--data", dir, "--command", "127.0.0.1:0", "--station", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--devices", "1")
	if err != nil {
		return err
	}
	var f cityFile
	err = p.until(ctx, "city.json", 50*time.Millisecond, func() bool {
		raw, err := os.ReadFile(filepath.Join(dir, "city.json"))
		return err == nil && json.Unmarshal(raw, &f) == nil
	})
	if err != nil {
		return err
	}
	var officer *http.Client
	for _, o := range f.Officers {
		if o.Role == "command_officer" {
			if officer, err = login(f.Command.URL, o.User, o.Password); err != nil {
				return err
			}
		}
	}
	if officer == nil || len(f.Stations) == 0 || len(f.Devices) == 0 {
		return errors.New("city.json names no command officer, no station or no device")
	}
	count := b.pick(400, 100)
	send, err := sender(&f, count*b.repeats)
	if err != nil {
		return err
	}
	w := &watch{seen: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { w.end(follow(ctx, officer, f.Command.URL, w.note)) }()
	if err := w.wait(ctx, ""); err != nil { // the stream stands at its first heartbeat
		return err
	}
	var p50, p99 []float64
	for range b.repeats {
		var times []time.Duration
		for range count {
			began := time.Now()
			id, err := send()
			if err != nil {
				return err
			}
			if err := w.wait(ctx, id); err != nil {
				return err
			}
			times = append(times, w.at(id).Sub(began))
			// Not in step with any timer of the city.
			<-time.After(time.Duration(rand.IntN(5000)) * time.Microsecond)
		}
		p50, p99 = append(p50, figures.Percentile(times, 50)), append(p99, figures.Percentile(times, 99))
		b.say("live: p50 %s ms, p99 %s ms", figures.Number(figures.Percentile(times, 50)), figures.Number(figures.Percentile(times, 99)))
	}
	b.row(figures.Row{Measure: "MQTT publish until the command API's SSE shows it committed, p50", Unit: "ms", Ours: figures.Of(p50...)})
	b.row(figures.Row{Measure: "the same, p99", Unit: "ms", Ours: figures.Of(p99...)})
	return nil
}

// sender gives a function that publishes one urgent report and returns when it
// is acknowledged.
func sender(f *cityFile, most int) (send func() (string, error), err error) {
	d, s := f.Devices[0], f.Stations[0]
	set := reports.New(most, uint64(time.Now().UnixNano()), "fire")
	l, err := mqttload.Dial(mqttload.Config{Addr: s.MQTT, Client: d.ID, User: d.ID, Password: d.Password,
		Topic: fmt.Sprintf("wardline/v1/%s/%s/report", s.Ward, d.ID), Window: 1, Messages: set.Messages})
	n := uint64(0)
	return func() (string, error) {
		n++
		return set.ID(n - 1), l.Run(time.Now().Add(time.Minute), 1)
	}, err
}

// watch remembers when the live stream named a report first.
type watch struct {
	mu      sync.Mutex // guards below
	seen    map[string]time.Time
	err     error
	changed chan struct{}
}

func (w *watch) note(ids []string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range append(ids, "") { // the empty one: the stream stands
		if _, ok := w.seen[id]; !ok {
			w.seen[id] = at
		}
	}
	w.wake()
}

func (w *watch) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(errors.New("the live stream ended"), err)
	w.wake()
}

func (w *watch) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *watch) at(id string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[id]
}

// wait waits until the stream has named a report.
func (w *watch) wait(ctx context.Context, id string) error {
	limit := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		_, ok := w.seen[id]
		err := w.err
		w.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-w.changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("the live stream has not named report %q for 30 s", id)
		}
	}
}
