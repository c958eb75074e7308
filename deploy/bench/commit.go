package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"wardline/deploy/bench/figures"
	"wardline/deploy/bench/peer"
	"wardline/sync/routing"
)

// commit measures how many entries a second three core nodes commit from
// stations' batches, and how many puts of the same size three etcd members do.
func (b *bench) commit(ctx context.Context) error {
	nodes, procs, err := b.cores(ctx, "commit")
	if err != nil {
		return err
	}
	n := b.pick(40_000, 10_000) / b.senders // a repeat's entries of one sender
	var list []*ledger
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range b.senders {
		l, err := newLedger(routing.Centres().At(i).Code, n*(b.repeats+1), uint64(i+1))
		if err != nil {
			return err
		}
		list = append(list, l)
		h, err := b.enrol(ctx, nodes, routing.Centres().At(i).Code, filepath.Join(b.dir, fmt.Sprintf("commit-station-%d", i+1)))
		if err != nil {
			return err
		}
		wg.Go(func() { _ = l.uplinkTo(ctx, nodes, i, h) }) // ends without an error, with ctx
	}
	size := list[0].size()
	send := func(n int) (float64, error) {
		ctx, stop := b.guard(ctx)
		defer stop()
		began := time.Now()
		for _, l := range list {
			l.show(n)
		}
		for _, l := range list {
			if err := l.drained(ctx); err != nil {
				return 0, err
			}
		}
		return float64(n*len(list)) / time.Since(began).Seconds(), nil
	}
	if _, err := send(n); err != nil { // lines up, caches warm
		return err
	}
	b.settle(ctx)
	etcd, err := b.etcd(ctx)
	if err != nil {
		b.say("no etcd: %v", err)
	} else {
		defer etcd.close()
		if err := etcd.findBest(ctx, size, b.seconds(2, 1)); err != nil {
			return err
		}
		b.settle(ctx)
	}
	var mine, theirs []float64
	var cpu time.Duration
	for range b.repeats {
		before := busy(procs)
		v, err := send(n)
		if err != nil {
			return err
		}
		cpu += busy(procs) - before
		mine = append(mine, v)
		b.settle(ctx)
		if etcd != nil {
			v, err := etcd.puts(ctx, etcd.best, size, b.seconds(3, 1.5))
			if err != nil {
				return err
			}
			theirs = append(theirs, v)
			b.settle(ctx)
		}
		b.say("commit: ours %s, etcd %s", figures.Of(mine...), figures.Of(theirs...))
	}
	note := fmt.Sprintf("%d stations, entries of %d bytes, each checked, folded and routed; %.0f µs of the nodes' processor time an entry", b.senders, size,
		float64(cpu.Microseconds())/float64(n*b.senders*b.repeats))
	r := figures.Row{Measure: "three core nodes, committed entries from station batches", Unit: "1/s", Ours: figures.Of(mine...), Note: note}
	if etcd == nil {
		r.Note += "; etcd could not be run: " + firstLine(err)
	} else {
		r.Peer, r.Theirs = "etcd, 3 nodes, puts of the same size", figures.Of(theirs...)
		r.Note += fmt.Sprintf("; etcd best with %d callers", etcd.best)
	}
	b.row(r)
	return nil
}

// busy is the processor time of some processes so far; what cannot be read counts 0.
func busy(procs []*proc) time.Duration {
	var sum time.Duration
	for _, p := range procs {
		t, _ := p.cpu() // a process that ended fails elsewhere
		sum += t
	}
	return sum
}

// etcd is a running cluster of three members.
type etcd struct {
	conns []*clientv3.Client
	best  int // callers at once
	next  atomic.Uint64
}

// etcdConns are how many connections share the callers.
const etcdConns = 8

func (b *bench) etcd(ctx context.Context) (*etcd, error) {
	var cluster, clients []string
	peers := make([]string, 3)
	for i := range peers {
		peers[i] = b.addr()
		cluster = append(cluster, fmt.Sprintf("etcd-%d=http://%s", i+1, peers[i]))
	}
	for i := range peers {
		name := fmt.Sprintf("etcd-%d", i+1)
		client := b.addr()
		clients = append(clients, client)
		if _, err := b.start(name, b.self, "peer", "etcd", "-name", name, "-dir", filepath.Join(b.dir, name), "-client", client, "-peer", peers[i],
			"-cluster", strings.Join(cluster, ",")); err != nil {
			return nil, err
		}
	}
	for i, p := range b.procs[len(b.procs)-3:] {
		if err := p.until(ctx, "its client port", 50*time.Millisecond, func() bool { return answers("http://" + clients[i] + "/health") }); err != nil {
			return nil, err
		}
	}
	b.peer("etcd " + peer.EtcdVersion)
	e := &etcd{}
	leader, err := etcdLeader(ctx, clients)
	if err != nil {
		return nil, err
	}
	for range etcdConns {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{leader}, DialTimeout: 10 * time.Second})
		if err != nil {
			e.close()
			return nil, err
		}
		e.conns = append(e.conns, c)
	}
	return e, nil
}

// etcdLeader finds the leader: the callers go to it directly, which is fastest.
func etcdLeader(ctx context.Context, clients []string) (string, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: clients, DialTimeout: 10 * time.Second})
	if err != nil {
		return "", err
	}
	defer c.Close()
	for _, addr := range clients {
		s, err := c.Status(ctx, addr)
		if err != nil {
			return "", err
		}
		if s.Leader == s.Header.MemberId {
			return addr, nil
		}
	}
	return "", errors.New("no etcd member leads")
}

func (e *etcd) close() {
	for _, c := range e.conns {
		_ = c.Close() // the members end next
	}
}

// findBest tries some numbers of callers.
func (e *etcd) findBest(ctx context.Context, size int, each time.Duration) error {
	most := 0.0
	for _, callers := range []int{128, 512, 1024} {
		v, err := e.puts(ctx, callers, size, each)
		if err != nil {
			return err
		}
		if v > most {
			most, e.best = v, callers
		}
	}
	return nil
}

// puts lets callers put values under new keys, each one at a time, and gives the rate.
func (e *etcd) puts(ctx context.Context, callers, size int, each time.Duration) (float64, error) {
	began := time.Now()
	end := began.Add(each)
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			value := make([]byte, size)
			for time.Now().Before(end) {
				n := e.next.Add(1)
				binary.BigEndian.PutUint64(value, n)
				if _, err := e.conns[i%len(e.conns)].Put(ctx, fmt.Sprintf("entry/%016x", n), string(value)); err != nil {
					errs[i] = err
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}
