// Package core is one node of the city core: it joins the Raft cluster, the
// city's state, the line to the stations and the interface.
package core

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/core/signon"
	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/proxies"
	"wardline/sync/rates"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/search"
	"wardline/sync/streets"
	"wardline/sync/tables"
	"wardline/sync/view"
)

// Node is one node of the city core.
type Node struct {
	c        Config
	log      *slog.Logger
	wall     func() time.Time
	contacts []api.Contact
	begun    time.Time
	space    *cluster.Space
	machine  *fsm.Machine
	points   pointsNow
	raft     *cluster.Node
	views    *lists
	view     *view.View
	index    *search.Index
	clock    *record.Clock
	sign     ed25519.PrivateKey
	keys     *sealing.Ring
	people   *identity.Directory
	trust    *machines
	limits   *rates.Limits
	proofs   *proofs
	session  [32]byte
	oidc     *signon.Provider // nil: none is configured
	applies  prometheus.Histogram

	http, raftL, syncL net.Listener

	line *Line

	// Of keepKeys alone: the city index up to which erasures are carried out here, and how
	// often keys were looked for in vain at the other nodes.
	forgot uint64
	vain   int
}

// New opens the node's files and listeners; it starts nothing. The order: first
// the disk's free space, because what maps its files (Badger, raft-wal) is killed
// by SIGBUS on a full disk, at opening too: with too little free the ballast is given up,
// and if that is not enough nothing is opened (cluster.ErrDiskFull). Then keys, state, lists, listeners.
func New(c Config, log *slog.Logger) (n *Node, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	n = &Node{c: c, log: log.With("node", c.ID), wall: c.Wall, begun: time.Now(), applies: newApplyTimes()}
	if n.wall == nil {
		n.wall = time.Now
	}
	defer func() {
		if err != nil {
			n.closeFiles()
		}
	}()
	if n.people, err = c.directory(); err != nil {
		return n, err
	}
	if n.contacts, err = c.contacts(); err != nil {
		return n, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return n, err
	}
	rc := n.clusterConfig()
	if n.space, err = cluster.OpenSpace(c.Dir, rc.ReserveBytes, rc.BallastBytes, n.log); err != nil {
		return n, err
	}
	if err := n.space.Check(); err != nil {
		return n, err
	}
	disk, err := sealing.OpenDisk(c.DiskKey, c.DiskKeyBefore)
	if err != nil {
		return n, err
	}
	store, storeBefore, err := disk.Key("stores")
	if err != nil {
		return n, err
	}
	if n.sign, err = disk.SigningKey(filepath.Join(c.Dir, "receipt.key")); err != nil {
		return n, err
	}
	if _, err := os.Stat(c.CityKey); c.Join && !sealing.Credential(c.CityKey) && errors.Is(err, os.ErrNotExist) {
		return n, fmt.Errorf("city_key: %s is not there, and a key of its own could read nothing that is sealed; this node gets it when it enrols: put a token (wardline enrol core/%s) into token_file", c.CityKey, c.ID)
	}
	if err = n.openKeys(disk); err != nil {
		return n, err
	}
	installs, err := sealing.Derive(c.CityKey, "installs")
	if err != nil {
		return n, err
	}
	n.people.UseCredentials(credentials{n})
	n.people.UseInstalls(identity.NewInstalls(installs, n.wall, nil))
	if n.session, err = sealing.Derive(c.CityKey, "sessions"); err != nil {
		return n, err
	}
	if c.OIDC.On() {
		key, err := sealing.Derive(c.CityKey, "oidc")
		if err != nil {
			return n, err
		}
		if n.oidc, err = signon.New(c.OIDC.Default(), key, n.wall); err != nil {
			return n, err
		}
	}
	tables.Advise(c.Dir, n.log)
	if n.machine, err = fsm.Open(fsm.Options{Dir: filepath.Join(c.Dir, "state"), Log: n.log, Key: store, KeyBefore: storeBefore}); errors.Is(err, fsm.ErrHole) {
		n.log.Error("this node's state cannot be relied on; it will join anew from the others", "err", err)
		err = cluster.MarkRejoin(rc.Dir, err)
	}
	if err != nil {
		return n, err
	}
	n.people.UseAccounts(accounts{n})
	n.clock = record.NewClock(0, n.wall)
	if n.views, err = openLists(filepath.Join(c.Dir, "views"), store, storeBefore, n.log); err != nil {
		return n, err
	}
	if n.view, err = view.New(n.views.DB, cityLog{n.machine}, n.log); err != nil {
		return n, err
	}
	n.view.Late(n.views.ordered.Commit)
	n.openIndex()
	for _, l := range []struct {
		into *net.Listener
		addr string
	}{{&n.http, c.HTTP}, {&n.raftL, cmp.Or(c.RaftListen, c.Raft)}, {&n.syncL, c.Sync}} {
		if *l.into, err = net.Listen("tcp", l.addr); err != nil {
			return n, err
		}
	}
	n.limits = rates.New(c.Limits, n.wall)
	if err = n.openMachines(); err != nil {
		return n, err
	}
	n.line = NewLine(LineDeps{ID: c.ID, Machine: n.machine, View: n.view, Keys: n.keys, Sign: n.sign, Clock: n.clock, Cluster: raftLine{n},
		Wall: n.wall, Log: n.log})
	if err = n.openProofs(); err != nil {
		return n, err
	}
	seal, err := sealLog(filepath.Join(c.Dir, "keys", "raft-log.key"), disk, c.DiskKey != "")
	if err != nil {
		return n, err
	}
	n.raft, err = cluster.New(rc, state{n.machine, n.applies}, cluster.Deps{Listener: n.trust.raftL, Dial: n.trust.dial, Log: n.log, Space: n.space, Wall: n.wall, Local: n.local, Fit: n.fit, WrapLog: seal})
	return n, err
}

// clusterConfig is the cluster's part of the configuration.
func (n *Node) clusterConfig() cluster.Config {
	rc := cluster.Default()
	rc.ID, rc.Dir, rc.Advertise = n.c.ID, filepath.Join(n.c.Dir, "raft"), n.c.Raft
	for _, p := range n.c.Peers {
		rc.Peers = append(rc.Peers, cluster.Peer{ID: p.ID, Addr: p.Raft})
	}
	if n.c.ReserveMB > 0 {
		rc.ReserveBytes = n.c.ReserveMB << 20
		rc.BallastBytes = cluster.BallastFor(rc.ReserveBytes)
	}
	return rc
}

func (n *Node) closeFiles() {
	for _, l := range []net.Listener{n.http, n.raftL, n.syncL} {
		if l != nil {
			_ = l.Close() // it is going away
		}
	}
	if n.trust != nil && n.trust.https != nil {
		_ = n.trust.https.Close() // as above
	}
	if n.proofs != nil {
		if err := n.proofs.Close(); err != nil {
			n.log.Error("proof", "err", err)
		}
	}
	if n.views != nil {
		if err := n.views.Close(); err != nil {
			n.log.Error("views", "err", err)
		}
	}
	if n.machine != nil {
		if err := n.machine.Close(); err != nil {
			n.log.Error("state", "err", err)
		}
	}
}

// HTTPAddr is where the interface listens.
func (n *Node) HTTPAddr() string { return n.http.Addr().String() }

// SyncAddr is where stations' lines come in.
func (n *Node) SyncAddr() string { return n.syncL.Addr().String() }

// Run works until ctx ends. The order of the end: first no more requests, then
// no more lines, then leadership is handed over, then the files are closed.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	front, stopFront := context.WithCancel(context.Background())
	defer stopFront()
	raftCtx, stopRaft := context.WithCancel(context.Background())
	defer stopRaft()
	errs := make(chan error, 24)
	doorCtx, stopDoors := context.WithCancel(context.Background())
	defer stopDoors()
	var fg, bg, doors sync.WaitGroup
	start := func(wg *sync.WaitGroup, name string, f func() error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := f(); err != nil {
				errs <- fmt.Errorf("%s: %w", name, err)
				cancel()
			}
		}()
	}
	fronts, _ := proxies.Parse(n.c.TrustedProxies) // New has validated them
	in := identity.NewSessions(n.wall, n.session, n.people).Keep(sessions{n}).Idle(time.Duration(n.c.SessionIdleMin) * time.Minute)
	tiles := streets.New(n.c.TilesFile, n.log)
	defer func() { _ = tiles.Close() }() // it was only read
	srv := api.New(api.Config{Backend: backend{n}, Directory: n.people, Sessions: in, Now: n.wall,
		Metrics: n.metrics(), Log: n.log, Limits: n.limits, Proxies: fronts, Streets: tiles, SignOn: n.signOn()})
	start(&fg, "sessions", func() error { return in.Run(front) })
	start(&fg, "http", func() error { return srv.Serve(front, n.http) })
	if n.trust.https != nil {
		start(&fg, "https door", func() error { return n.trust.https.Run(front) })
		start(&fg, "https", func() error { return srv.Serve(front, n.trust.httpL) })
	}
	start(&fg, "lines", func() error { return n.serveLines(front) })
	start(&fg, "alarms", func() error { return n.line.Run(front) })
	start(&fg, "views", func() error { return n.view.Run(front) })
	start(&fg, "search", func() error { return n.index.Run(front) })
	start(&fg, "wrapping keys", func() error { return n.keepKeys(front) })
	start(&fg, "retention", func() error { return n.retain(front) })
	start(&fg, "checkpoints", func() error { return n.proofs.Run(front) })
	start(&fg, "tables", func() error { return n.proveFiles(front) })
	start(&fg, "ticks", func() error { return n.tick(front) })
	start(&bg, "raft", func() error { return n.raft.Run(raftCtx) })
	start(&doors, "raft door", func() error { return n.trust.raft.Run(doorCtx) })
	start(&fg, "certificates", func() error { return n.trust.run(front) })
	start(&fg, "sync door", func() error { return n.trust.sync.Run(front) })
	start(&fg, "enrolments", func() error { return n.trust.desk.Serve(front, n.trust.deskL) })
	start(&fg, "enrolments of nodes", func() error { return n.trust.desk.Serve(front, n.trust.joinL) })
	start(&fg, "revoked nodes", func() error { return n.trust.expel(front) })
	if n.trust.member != nil {
		start(&fg, "enrolment", func() error { return n.trust.member.Run(front) })
	}
	<-ctx.Done()
	stopFront()
	fg.Wait()
	stopRaft()
	bg.Wait()
	stopDoors() // after Raft, which hands its leadership over through it
	doors.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	err := errors.Join(all...)
	var stall *cluster.StallError
	switch {
	case errors.As(err, &stall): // something still hangs in the files: they are left as they are, and the process ends
	case diskFailed(err):
		err = errors.Join(err, n.leaveFiles())
	default:
		n.closeFiles()
	}
	return err
}

// tickEvery is how often the leader lets the city's time go on.
const tickEvery = time.Second

func (n *Node) tick(ctx context.Context) error {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	far := map[string]bool{} // whose clock was named
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if !n.raft.IsLeader() {
			continue
		}
		c, cancel := context.WithTimeout(ctx, 2*tickEvery) // the clocks take one at most
		median, all := n.raft.Median(c)
		for _, x := range all {
			if x.Far && !far[x.ID] {
				n.line.raise(alarm{what: "clock", origin: record.Origin(x.ID), detail: fmt.Sprintf("the clock of %s is %s off the others'; set it right (chronyc tracking)", x.ID, x.Offset.Round(time.Second))})
			}
			far[x.ID] = x.Far
		}
		if _, err := n.raft.Propose(c, cluster.Urgent, fsm.Tick(median.UnixMilli())); err != nil {
			n.log.Debug("no tick", "err", err)
		}
		cancel()
	}
}
