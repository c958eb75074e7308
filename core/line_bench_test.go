package core

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	linecreds "google.golang.org/grpc/credentials"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/core/pki"
	"wardline/sync/door"
	"wardline/sync/downlink"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/sealing"
	"wardline/sync/trust"
	"wardline/sync/uplink"
	"wardline/sync/view"
	"wardline/sync/wire"
)

// BenchmarkLine_TLSBesideClear drains the same backlogs over the real uplink, gRPC and Raft into
// two cities of three nodes: one whose lines and Raft speak TLS 1.3 with both sides verified, as
// every city does, and one that speaks in the clear, which nothing but this can make. They take
// turns, and each turn is compared with the one beside it: ratio is the median of entries a second with
// TLS by those without, cpu_ratio that of the processor time an entry. What a station's
// disk costs is left out, so that TLS is a larger part here than where it stands.
func BenchmarkLine_TLSBesideClear(b *testing.B) {
	const total, rounds = 2000, 21
	for _, stations := range []int{1, 4} {
		b.Run(fmt.Sprintf("stations=%d", stations), func(b *testing.B) {
			for range b.N {
				cities := []*benchCity{newBenchCity(b, false, stations), newBenchCity(b, true, stations)}
				var rate [2][]float64
				var ratio, cpu []float64
				for round := range rounds + 1 {
					var r, used [2]float64
					for _, k := range []int{round % 2, 1 - round%2} {
						r[k], used[k] = cities[k].drain(b, total/stations)
					}
					if round == 0 { // warms up
						continue
					}
					rate[0], rate[1] = append(rate[0], r[0]), append(rate[1], r[1])
					ratio, cpu = append(ratio, r[1]/r[0]), append(cpu, used[1]/used[0])
				}
				median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
				b.ReportMetric(median(rate[0]), "clear_entries/s")
				b.ReportMetric(median(rate[1]), "tls_entries/s")
				b.ReportMetric(median(ratio), "ratio")
				b.ReportMetric(median(cpu), "cpu_ratio")
				for _, c := range cities {
					c.close()
				}
			}
		})
	}
}

// benchCity is three nodes with the parts of one that a batch goes through, and the stations
// that send to them.
type benchCity struct {
	b        *testing.B
	dir      string
	tls      bool
	ca       *pki.Authority
	ctx      context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup
	addr     []string // of the lines
	stations []*benchStation
	files    []func() error
}

func (c *benchCity) must(err error) {
	c.b.Helper()
	if err != nil {
		c.b.Fatal(err)
	}
}

// start runs a part; one that breaks is seen by who waits for entries.
func (c *benchCity) start(name string, f func() error) {
	c.wg.Go(func() {
		if err := f(); err != nil && c.ctx.Err() == nil {
			c.b.Errorf("%s: %v", name, err)
		}
	})
}

func newBenchCity(b *testing.B, tls bool, stations int) *benchCity {
	c := &benchCity{b: b, dir: b.TempDir(), tls: tls}
	c.ctx, c.stop = context.WithCancel(context.Background())
	keys, err := sealing.OpenKeyring(filepath.Join(c.dir, "city.key"))
	c.must(err)
	c.ca, err = pki.Open(filepath.Join(c.dir, "city.key"), 0, time.Now)
	c.must(err)
	var peers []cluster.Peer
	var raftL []net.Listener
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		c.must(err)
		raftL = append(raftL, l)
		peers = append(peers, cluster.Peer{ID: fmt.Sprintf("core-%d", i+1), Addr: l.Addr().String()})
	}
	for i := range peers {
		c.node(peers, i, raftL[i], keys)
	}
	for i := range stations {
		c.stations = append(c.stations, c.station(i))
	}
	return c
}

// holder is a machine's part in the trust.
func (c *benchCity) holder(name trust.Name) *trust.Holder {
	h := trust.NewHolder(time.Now)
	roots, err := c.ca.Roots(1, 1)
	c.must(err)
	own, err := c.ca.Own(1, name, nil)
	c.must(err)
	h.SetRoots(roots)
	h.SetCertificate(own)
	return h
}

func (c *benchCity) node(peers []cluster.Peer, i int, raftL net.Listener, keys sealing.Keys) {
	id, log := peers[i].ID, slog.New(slog.DiscardHandler)
	n := &Node{c: Config{ID: id}, log: log, wall: time.Now, clock: record.NewClock(0, time.Now)}
	var err error
	n.machine, err = fsm.Open(fsm.Options{Dir: filepath.Join(c.dir, id, "state"), Log: log})
	c.must(err)
	lists, err := openLists(filepath.Join(c.dir, id, "views"), nil, nil, log)
	c.must(err)
	c.files = append(c.files, lists.Close, n.machine.Close)
	n.view, err = view.New(lists.DB, cityLog{n.machine}, log)
	c.must(err)
	n.view.Late(lists.ordered.Commit)
	c.start("lists", func() error { return n.view.Run(c.ctx) })
	syncL, err := net.Listen("tcp", "127.0.0.1:0")
	c.must(err)
	c.addr = append(c.addr, syncL.Addr().String())
	_, sign, err := ed25519.GenerateKey(nil)
	c.must(err)
	n.line = NewLine(LineDeps{ID: id, Machine: n.machine, View: n.view, Keys: keys, Sign: sign, Clock: n.clock, Cluster: raftLine{n}, Wall: time.Now, Log: log})
	rc := cluster.Default()
	rc.ID, rc.Dir, rc.Peers, rc.ReserveBytes, rc.BallastBytes = id, filepath.Join(c.dir, id, "raft"), peers, 1<<20, cluster.BallastFor(1<<20)
	deps := cluster.Deps{Listener: raftL, Log: log}
	var creds linecreds.TransportCredentials
	if c.tls {
		h := c.holder(trust.NodeName(id))
		raft, lines := trust.NewGate(raftL, h, log), trust.NewGate(syncL, h, log)
		deps.Listener = raft.Machines(protoRaft, trust.Node)
		deps.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return h.Dial(ctx, addr, protoRaft, trust.Node)
		}
		syncL, creds = lines.Machines(wire.Proto, trust.Station), wire.Machines(h)
		c.start("raft door", func() error { return raft.Run(c.ctx) })
		c.start("sync door", func() error { return lines.Run(c.ctx) })
	}
	n.raft, err = cluster.New(rc, state{n.machine, newApplyTimes()}, deps)
	c.must(err)
	c.start("raft", func() error { return n.raft.Run(c.ctx) })
	g := wire.NewServer(creds)
	wire.RegisterLineServer(g, benchServer{up: n.line.Up(), down: n.line.Down()})
	c.start("lines", func() error { return g.Serve(syncL) })
	context.AfterFunc(c.ctx, g.Stop)
}

// benchServer serves streams of whoever comes.
type benchServer struct {
	wire.UnimplementedLineServer
	up   *uplink.Receiver
	down *downlink.Sender
}

func (s benchServer) Up(st grpc.BidiStreamingServer[wire.UpFrame, wire.UpReply]) error {
	return s.up.Serve(st.Context(), st)
}

func (s benchServer) Down(st grpc.BidiStreamingServer[wire.DownAck, wire.DownFrame]) error {
	return s.down.Serve(st.Context(), st)
}

// station connects one with an empty chain.
func (c *benchCity) station(i int) *benchStation {
	ward := []record.WardCode{"26704", "27004", "26734", "26740"}[i]
	s := &benchStation{b: c.b, ward: ward, clock: record.NewClock(0, time.Now), changed: make(chan struct{}), r: rand.New(rand.NewPCG(uint64(i), 1))}
	s.chain = record.ChainID{Origin: record.StationOrigin(ward), Incarnation: record.Incarnation(i + 1), Lane: record.Routine}
	var err error
	s.wrap, err = record.NewWrapper([8]byte{1}, [32]byte{2})
	c.must(err)
	var creds linecreds.TransportCredentials
	if c.tls {
		creds = wire.Machines(c.holder(trust.StationName(ward)))
	}
	connect := wire.Connect(func(try int) (*grpc.ClientConn, error) { return wire.Dial(c.addr[(i+try)%len(c.addr)], creds) })
	up := uplink.New(uplink.Config{Open: connect.Up, Boot: uint64(i + 1), Wall: time.Now, Log: slog.New(slog.DiscardHandler)}, s)
	c.start("uplink", func() error { return up.Run(c.ctx) })
	return s
}

// drain gives each station n entries and waits until the city has receipted all; entries a second,
// and the processor time of this process in seconds.
func (c *benchCity) drain(b *testing.B, n int) (rate, cpu float64) {
	for _, s := range c.stations {
		s.fill(n)
	}
	used := func() float64 {
		var u unix.Rusage
		c.must(unix.Getrusage(unix.RUSAGE_SELF, &u))
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	before, began := used(), time.Now()
	for _, s := range c.stations {
		s.show()
	}
	for _, s := range c.stations {
		s.drained()
	}
	return float64(n*len(c.stations)) / time.Since(began).Seconds(), used() - before
}

func (c *benchCity) close() {
	c.stop()
	c.wg.Wait()
	for _, f := range c.files {
		c.must(f())
	}
}

// benchStation is a station's ledger in memory.
type benchStation struct {
	b     *testing.B
	ward  record.WardCode
	chain record.ChainID
	wrap  *record.Wrapper
	clock *record.Clock
	r     *rand.Rand
	prev  record.Hash

	mu      sync.Mutex // guards below
	entries []record.Entry
	keys    []record.WrappedKey
	shown   int
	city    record.Seq
	changed chan struct{}
}

var _ uplink.Store = (*benchStation)(nil)

// fill makes n entries as a station's door would.
func (s *benchStation) fill(n int) {
	for range n {
		id := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", s.r.Uint32(), s.r.IntN(1<<16), s.r.IntN(1<<12), s.r.IntN(1<<12), s.r.Int64N(1<<48))
		raw, err := json.Marshal(map[string]any{"id": id, "category": []string{"security", "feedback"}[s.r.IntN(2)],
			"location": map[string]any{"lat": 10.7769 + (s.r.Float64()-0.5)*0.3, "lon": 106.7009 + (s.r.Float64()-0.5)*0.3},
			"reporter": map[string]any{"name": "Nguyễn Văn An", "phone": "0901000000"}, "text": "Có nhóm người tụ tập gây ồn, đề nghị công an phường kiểm tra."})
		if err != nil {
			s.b.Fatal(err)
		}
		r, warnings, problem := report.Parse(raw)
		if problem != nil {
			s.b.Fatal(problem)
		}
		out, err := door.Body(door.Input{Report: r, Warnings: warnings, Origin: s.chain.Origin, Device: "app-1", Ward: s.ward, HLC: s.clock.Now(), Clock: record.ClockSure,
			ReceivedAt: time.Now().UnixMilli()})
		if err != nil {
			s.b.Fatal(err)
		}
		body, err := out.Body.Encode()
		if err != nil {
			s.b.Fatal(err)
		}
		s.mu.Lock()
		e := record.Entry{Body: body, Link: record.Link{Origin: s.chain.Origin, Incarnation: s.chain.Incarnation, Lane: s.chain.Lane, Seq: record.Seq(len(s.entries) + 1),
			HLC: out.Body.HLC, Prev: s.prev}}
		s.prev = e.Hash()
		s.entries, s.keys = append(s.entries, e), append(s.keys, s.wrap.Wrap(out.Key.ID, out.Key.Key))
		s.mu.Unlock()
	}
}

// show lets the uplink see all there is.
func (s *benchStation) show() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = len(s.entries)
	s.wakeLocked()
}

func (s *benchStation) wakeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *benchStation) drained() {
	late := time.After(patience)
	for {
		s.mu.Lock()
		done, changed := int(s.city) == s.shown, s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			s.b.Fatal("the city does not take the backlog")
		}
	}
}

func (s *benchStation) Origin() record.Origin { return s.chain.Origin }

func (s *benchStation) Chains() []uplink.ChainState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == 0 {
		return nil
	}
	return []uplink.ChainState{{Chain: s.chain, Order: 1, Head: s.entries[s.shown-1].Head(), City: s.city}}
}

func (s *benchStation) Read(_ record.ChainID, from record.Seq, maxCount, maxBytes int, w *record.Wrapper) ([]record.Entry, []record.WrappedKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, end, bytes := int(from)-1, int(from)-1, 0
	for end < s.shown && end-first < maxCount && bytes < maxBytes {
		bytes += record.LinkSize + len(s.entries[end].Body)
		end++
	}
	keys, _ := sealing.Rewrap(s.keys[first:end], s.wrap, w) // all are ours
	return s.entries[first:end], keys, nil
}

func (s *benchStation) SaveReceipt(r record.Receipt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.city = r.Seq
	s.wakeLocked()
	return nil
}

func (s *benchStation) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *benchStation) Reincarnate(_ record.ChainID, from record.Seq) error {
	return fmt.Errorf("a fork at %d of a chain that has none", from)
}

func (s *benchStation) Ahead(record.ChainID, record.Seq, record.Seq) {}

func (s *benchStation) Refused(_ record.ChainID, from record.Seq, detail string) {
	s.b.Errorf("the city refuses entry %d: %s", from, detail)
}
