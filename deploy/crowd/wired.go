package crowd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wardline/hardware/panel"
	"wardline/hardware/sim"
)

// pingEvery is how often a simulated button says that it is there.
const pingEvery = 30 * time.Second

// player is a simulated device on a cable.
type player interface {
	Run(ctx context.Context, port sim.Port, events <-chan panel.Event, told func(sim.Sent)) error
}

func (o *Options) player() (player, func() panel.Event, error) {
	if o.Kind == Button {
		pr, err := panel.Default(panel.Button)
		if err != nil {
			return nil, nil, err
		}
		b, err := sim.NewButton(pr, pingEvery)
		return b, sim.NewPresses(o.Seed, o.Device).Next, err
	}
	pr, err := panel.Default(panel.SurGard)
	if err != nil {
		return nil, nil, err
	}
	p, err := sim.NewPanel(pr, sim.DefaultHeartbeat)
	return p, sim.NewAlarms(o.Seed).Next, err
}

// cable is one run on a cable.
type cable struct {
	o          Options
	tally      tally
	made       atomic.Int64 // events given to the player
	heartbeats atomic.Int64
}

func (c *cable) told(s sim.Sent) {
	if c.o.Show {
		fmt.Fprintf(c.o.Out, "%q try %d: %v after %v\n", s.Frame, s.Try, s.Answer, s.After.Round(time.Microsecond))
	}
	if s.Event == nil {
		c.heartbeats.Add(1)
		return
	}
	if s.Try == 1 {
		c.tally.sent.Add(1)
	} else {
		c.tally.repeats.Add(1)
	}
	switch s.Answer {
	case sim.Acked:
		c.tally.acked(s.After)
	case sim.Refused:
		c.tally.refused.Add(1)
	}
}

func (c *cable) line() string {
	left := int(c.made.Load() - c.tally.acknowledged.Load())
	return fmt.Sprintf("%s heartbeats %d", c.tally.line(left, left), c.heartbeats.Load())
}

// runWired plays a panel or a button.
func runWired(ctx context.Context, o Options) (err error) {
	c := &cable{o: o}
	dev, next, err := o.player()
	if err != nil {
		return err
	}
	port, err := sim.OpenPort(o.Port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, port.Close()) }()
	fmt.Fprintf(o.Out, "%s %s on %s, seed %d\n", o.Kind, o.Device, o.Port, o.Seed)
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() { everySecond(work, o.Out, c.line) })
	events, played := make(chan panel.Event), make(chan error, 1)
	wg.Go(func() {
		err := dev.Run(work, port, events, c.told)
		if err != nil {
			stop(err)
		}
		played <- err
	})
	pace(ctx, work, &o, func(ctx context.Context) bool {
		select {
		case events <- next():
			c.made.Add(1)
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(events)
	err = c.await(ctx, played)
	stop(nil)
	wg.Wait()
	fmt.Fprintf(o.Out, "end: %s\n", c.line())
	if n := c.made.Load() - c.tally.acknowledged.Load(); n > 0 && err == nil {
		err = fmt.Errorf("sim %s: %d of %d events: %w", o.Kind, n, c.made.Load(), ErrUnanswered)
	}
	return err
}

// await waits until the last event is answered.
func (c *cable) await(ctx context.Context, played <-chan error) error {
	over := time.NewTimer(c.o.Settle)
	defer over.Stop()
	select {
	case err := <-played:
		return err
	case <-over.C:
		return nil
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-played:
		return err
	case <-t.C:
		return nil
	}
}
