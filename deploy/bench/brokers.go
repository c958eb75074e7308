package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"wardline/deploy/bench/mqttload"
	"wardline/deploy/bench/peer"
	"wardline/deploy/bench/reports"
	"wardline/deploy/city"
	"wardline/edge"
)

// broker is an MQTT server that is measured.
type broker struct {
	name string
	addr string
	proc *proc
	// accounts: its devices log in.
	accounts bool
}

// mosquitto starts Debian's Mosquitto, storing nothing.
func (b *bench) mosquitto(ctx context.Context) (*broker, error) {
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return nil, fmt.Errorf("mosquitto is not installed (apt-get install mosquitto): %w", err)
		}
	}
	out, _ := exec.Command(bin, "-h").CombinedOutput() // it ends with status 3 after its help
	version, _, _ := strings.Cut(string(out), "\n")
	addr := b.addr()
	conf, err := peer.MosquittoConfig(b.dir, addr)
	if err != nil {
		return nil, err
	}
	p, err := b.start("mosquitto", bin, "-c", conf)
	if err != nil {
		return nil, err
	}
	b.peer("Mosquitto " + strings.TrimPrefix(version, "mosquitto version ") + " without any sync")
	return &broker{name: "Mosquitto", addr: addr, proc: p}, p.until(ctx, "its port", 20*time.Millisecond, func() bool { return listens(addr) })
}

// nats starts a NATS server with JetStream and MQTT.
func (b *bench) nats(ctx context.Context) (*broker, error) {
	addr := b.addr()
	conf, err := peer.NATSConfig(b.dir, "nats", b.addr(), addr, "")
	if err != nil {
		return nil, err
	}
	p, err := b.start("nats", b.self, "peer", "nats", "-config", conf)
	if err != nil {
		return nil, err
	}
	b.peer("NATS " + peer.NATSVersion + " with JetStream, sync always")
	return &broker{name: "NATS", addr: addr, proc: p}, p.until(ctx, "its port", 20*time.Millisecond, func() bool { return listens(addr) })
}

// peer remembers what the table's last line names.
func (b *bench) peer(name string) {
	for _, p := range b.report.Peers {
		if p == name {
			return
		}
	}
	b.report.Peers = append(b.report.Peers, name)
}

// oursAlone starts a station whose line to the city is cut.
func (b *bench) oursAlone(ctx context.Context, name string) (*broker, edge.Config, error) {
	c := b.station(name)
	p, _, err := b.startStation(ctx, name, c)
	if err != nil {
		return nil, c, err
	}
	return &broker{name: "Wardline", addr: c.MQTT, proc: p, accounts: true}, c, nil
}

// publisher is one connection with its reports.
type publisher struct {
	*mqttload.Client
	set *reports.Set
}

// connect opens connections to a broker, each with reports of its own.
func (k *broker) connect(n, window int, latencies bool, categories ...string) ([]publisher, error) {
	var out []publisher
	for i := range n {
		set := reports.New(512, uint64(time.Now().UnixNano())+uint64(i), categories...)
		c := mqttload.Config{Addr: k.addr, Client: device(i), Topic: fmt.Sprintf("wardline/v1/%s/%s/report", city.Ward, device(i)),
			Window: window, Messages: set.Messages, Latencies: latencies}
		if k.accounts {
			c.User, c.Password = device(i), secret
		}
		l, err := mqttload.Dial(c)
		if err != nil {
			return nil, errors.Join(err, closeAll(out))
		}
		out = append(out, publisher{l, set})
	}
	return out, nil
}

func closeAll(list []publisher) error {
	var errs []error
	for _, l := range list {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// acked is an acknowledged report and the device that sent it.
type acked struct {
	id     string
	device int
}

// flood publishes on all connections at once for a time, or until each has sent
// most, and gives the acknowledged messages a second and all of their ids, those
// of a device in the order of their acknowledgements.
func flood(list []publisher, each time.Duration, most uint64) (rate float64, ids []acked, err error) {
	var wg sync.WaitGroup
	errs := make([]error, len(list))
	already := make([]int, len(list))
	began := time.Now()
	for i, l := range list {
		already[i] = len(l.Acked())
		wg.Go(func() { errs[i] = l.Run(began.Add(each), most) })
	}
	wg.Wait()
	took := time.Since(began)
	for i, l := range list {
		for _, n := range l.Acked()[already[i]:] {
			ids = append(ids, acked{l.set.ID(n), i})
		}
	}
	return float64(len(ids)) / took.Seconds(), ids, errors.Join(errs...)
}
