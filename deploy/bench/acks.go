package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"wardline/deploy/bench/figures"
)

// Connections and the window of each while acknowledgements are counted.
const connections, window = 16, 32

// acks floods a station that is cut off, Mosquitto and NATS, in turn.
func (b *bench) acks(ctx context.Context) error {
	mine, conf, err := b.oursAlone(ctx, "acks")
	if err != nil {
		return err
	}
	rates := map[string][]float64{}
	brokers := []*broker{mine}
	var notes []string
	for _, start := range []func(context.Context) (*broker, error){b.mosquitto, b.nats} {
		k, err := start(ctx)
		if err != nil {
			b.say("acks: %v", err)
			notes = append(notes, firstLine(err))
			continue
		}
		brokers = append(brokers, k)
	}
	var ids []acked
	var rest []float64
	for round := range b.repeats + 1 {
		for _, k := range brokers {
			list, err := k.connect(connections, window, false, "security", "feedback", "fire", "crime")
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			each := b.seconds(4, 2)
			if round == 0 {
				each = time.Second // warm
			}
			rate, got, err := flood(list, each, 0)
			if err := errors.Join(err, closeAll(list)); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			after := b.settle(ctx)
			if k == mine {
				ids, rest = append(ids, got...), append(rest, after.Seconds())
			}
			if round > 0 {
				rates[k.name] = append(rates[k.name], rate)
				b.say("acks: %s %s/s", k.name, figures.Number(rate))
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	found, asked, err := sample(ctx, "http://"+conf.HTTP, ids)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("of %s acknowledged ids %d were asked for afterwards, %d found; then busy with lists, routing and tidying for %s s",
		figures.Number(float64(len(ids))), asked, found, figures.Of(rest...))
	if anon, err := mine.proc.anon(); err == nil {
		note += fmt.Sprintf("; RssAnon %s MB", figures.Number(float64(anon)/1e6))
	}
	for _, n := range notes {
		note += "; " + n
	}
	const what = "MQTT QoS 1 acknowledgements, 16 connections, window 32, 512 bytes, line cut"
	for _, p := range []struct{ name, text string }{{"Mosquitto", "Mosquitto, no sync"}, {"NATS", "NATS JetStream, sync always"}} {
		b.row(figures.Row{Measure: what, Unit: "1/s", Ours: figures.Of(rates["Wardline"]...), Peer: p.text, Theirs: figures.Of(rates[p.name]...), Note: note})
		note = ""
	}
	return nil
}

// sample asks for some of the ids, evenly spread, and counts those that are there.
func sample(ctx context.Context, base string, ids []acked) (found, asked int, err error) {
	const most = 500
	for i := 0; i < len(ids); i += max(1, len(ids)/most) {
		status, err := asDevice(ctx, ids[i].device, "GET", base+"/api/v1/reports/"+ids[i].id, nil)
		if err != nil {
			return found, asked, err
		}
		asked++
		if status == http.StatusOK {
			found++
		}
	}
	return found, asked, nil
}

// latency publishes one message at a time to a station and to NATS, and syncs a file, in turn.
func (b *bench) latency(ctx context.Context) error {
	mine, _, err := b.oursAlone(ctx, "latency")
	if err != nil {
		return err
	}
	nats, err := b.nats(ctx)
	if err != nil {
		return err
	}
	count := b.pick(1000, 300)
	times := map[string]*[2][]float64{}
	note := func(name string, t []time.Duration) {
		v := times[name]
		if v == nil {
			v = &[2][]float64{}
			times[name] = v
		}
		v[0], v[1] = append(v[0], figures.Percentile(t, 50)), append(v[1], figures.Percentile(t, 99))
		b.say("latency: %s p50 %s ms, p99 %s ms", name, figures.Number(figures.Percentile(t, 50)), figures.Number(figures.Percentile(t, 99)))
	}
	for range b.repeats {
		for _, k := range []*broker{mine, nats} {
			list, err := k.connect(1, 1, true, "fire")
			if err != nil {
				return err
			}
			const warm = 50
			err = list[0].Run(time.Now().Add(time.Minute), uint64(count+warm))
			if err := errors.Join(err, closeAll(list)); err != nil {
				return err
			}
			note(k.name, list[0].Latencies()[warm:])
			b.settle(ctx)
		}
		t, err := syncTimes(b.dir, count)
		if err != nil {
			return err
		}
		note("fdatasync", t)
	}
	for i, p := range []string{"p50", "p99"} {
		b.row(figures.Row{Measure: "one publisher, one message at a time, " + p, Unit: "ms", Ours: figures.Of(times["Wardline"][i]...), Peer: "NATS JetStream, sync always",
			Theirs: figures.Of(times["NATS"][i]...)})
		b.row(figures.Row{Measure: "one publisher, one message at a time, " + p, Unit: "ms", Ours: figures.Of(times["Wardline"][i]...), Peer: "one fdatasync of 512 bytes",
			Theirs: figures.Of(times["fdatasync"][i]...)})
	}
	return nil
}
