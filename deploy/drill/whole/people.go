package whole

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"wardline/hardware/sim"
	"wardline/sync/record"
)

// officer works on incidents at one side until making ends.
type officer struct {
	c     *client
	b     *book
	door  string
	every time.Duration
	r     *rand.Rand
}

func (o *officer) work(ctx context.Context, making <-chan struct{}) {
	for pause(ctx, time.Duration(float64(o.every)*(0.5+o.r.Float64()))) {
		select {
		case <-making:
			return
		default:
		}
		var list struct{ Items []struct{ ID string } }
		if _, err := o.c.ask(ctx, "GET", "/api/v1/incidents?limit=40", nil, &list); err != nil || len(list.Items) == 0 {
			continue // the desk shows that it has no answer
		}
		id := list.Items[o.r.IntN(len(list.Items))].ID
		if hot := o.b.hot(); len(hot) > 0 && o.r.IntN(2) == 0 { // so that both desks work on the same
			id = hot[o.r.IntN(len(hot))]
		}
		o.act(ctx, id)
	}
}

// act does one thing with what the screen shows, and again until it is answered.
func (o *officer) act(ctx context.Context, incident string) {
	var in struct{ Version string }
	path := "/api/v1/incidents/" + incident
	if _, err := o.c.ask(ctx, "GET", path, nil, &in); err != nil {
		return
	}
	act := map[string]any{"id": record.NewID(time.Now()).String(), "seen": in.Version}
	switch o.r.IntN(6) {
	case 0, 1:
		act["action"] = "claim"
	case 2, 3:
		act["action"], act["category"] = "classify", categories[o.r.IntN(len(categories))]
	case 4:
		act["action"], act["priority"] = "classify", 1+o.r.IntN(4)
	default:
		act["action"], act["text"] = "note", fmt.Sprintf("đã gọi %d", o.r.IntN(1000))
	}
	body, err := json.Marshal(act)
	if err != nil {
		o.b.fault("an action cannot be written: %v", err)
		return
	}
	for ctx.Err() == nil {
		var done struct{ Entry string }
		status, err := o.c.ask(ctx, "POST", path+"/actions", body, &done)
		switch {
		case err == nil:
			o.b.acknowledged(ack{ID: done.Entry, What: "action", Door: o.door, By: o.c.user, Incident: incident})
			return
		case status >= 400 && status < 500 && status != 429 && status != 401:
			return // somebody was faster, or it is not known here any more
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// finger presses the button.
type finger struct {
	w     *town
	b     *book
	every time.Duration
	r     *rand.Rand

	presses int
	// doubles is how many presses may stand twice: sent again over a fault of the
	// station, where the door rings twice when in doubt.
	doubles int
}

// pressAnswer is how long the button waits for its answer.
const pressAnswer = 3 * time.Second

func (f *finger) work(ctx context.Context, device, path string, making <-chan struct{}) {
	port, err := sim.OpenPort(path)
	if err != nil {
		f.b.fault("%v", err)
		return
	}
	defer func() { _ = port.Close() }() // nothing waits in it
	for pause(ctx, time.Duration(float64(f.every)*(0.5+f.r.Float64()))) {
		select {
		case <-making:
			return
		default:
		}
		f.presses++
		sent := time.Now()
		for try := 1; ; try++ {
			if try > 1 && !f.w.sound(sent) {
				f.doubles++
			}
			ok, err := f.press(port, device, f.presses)
			if err != nil {
				f.b.fault("the button's cable: %v", err)
				return
			}
			if ok {
				f.b.acknowledged(ack{ID: fmt.Sprintf("press-%d", f.presses), What: "press", Door: atWard, By: device})
				break
			}
			if ctx.Err() != nil {
				f.b.fault("liveness: press %d was never acknowledged", f.presses)
				return
			}
		}
	}
}

// press sends one frame and waits for its answer.
func (f *finger) press(port sim.Port, device string, n int) (bool, error) {
	if err := errors.Join(port.SetWriteDeadline(time.Now().Add(pressAnswer)), port.SetReadDeadline(time.Now().Add(pressAnswer))); err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(port, "PANIC %s %d\n", device, n); err != nil {
		return false, notDeadline(err)
	}
	want := fmt.Appendf(nil, "OK %d\n", n)
	var got []byte
	buf := make([]byte, 64)
	for !bytes.Contains(got, want) {
		k, err := port.Read(buf)
		if err != nil {
			return false, notDeadline(err)
		}
		got = append(got, buf[:k]...)
	}
	return true, nil
}

func notDeadline(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
