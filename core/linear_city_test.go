package core

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"wardline/core/cluster"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// linearCity is three core nodes over wires that can be cut, and the history of
// what their clients asked and were answered.
type linearCity struct {
	t     *testing.T
	seed  uint64
	nodes []*testNode
	raft  []string // the addresses that the nodes reach each other at, over wires
	wires *wires
	began time.Time
	end   atomic.Bool
	wg    sync.WaitGroup

	refusals atomic.Int64
	faults   int
	tokens   []string // the officers' cookies, good at every node

	mu        sync.Mutex // guards all below
	urls      []string   // empty while the node is down
	history   []porcupine.Operation
	incidents []record.ID
	asked     int // of the newest incident
}

func newLinearCity(t *testing.T, dir string, seed uint64) *linearCity {
	l := &linearCity{t: t, seed: seed, nodes: newCity(t, dir, 3), wires: newWires(), began: time.Now(), urls: make([]string, 3)}
	for i, x := range l.nodes {
		x.c.Officers = linearOfficers()
		x.c.Devices = []identity.DeviceAccount{{ID: "app-1", Password: "linear-test-password", Ward: "26704", Kind: "app"}}
		addr := freeAddr(t)
		l.raft = append(l.raft, addr)
		l.wires.addr[addr] = i
	}
	t.Cleanup(l.heal)
	return l
}

// start runs a node whose Raft goes over the test's wires instead of the
// configured address.
func (l *linearCity) start(i int) {
	x := l.nodes[i]
	n, err := New(x.c, slog.New(slog.DiscardHandler))
	if err != nil {
		l.t.Fatal(err)
	}
	rc := n.clusterConfig()
	rc.Advertise, rc.StallLimit, rc.LeaderWait = l.raft[i], 20*time.Second, 2*time.Second
	for j := range rc.Peers {
		rc.Peers[j].Addr = l.raft[j]
	}
	li, err := net.Listen("tcp", l.raft[i])
	if err != nil {
		l.t.Fatal(err)
	}
	n.raft, err = cluster.New(rc, state{n.machine, n.applies}, cluster.Deps{Listener: li, Dial: l.wires.dial(i), Log: n.log, Space: n.space, Wall: n.wall, Local: n.local})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	x.n, x.cancel, x.done = n, cancel, done
	go func() {
		x.err = n.Run(ctx)
		close(done)
	}()
	l.mu.Lock()
	l.urls[i] = "http://" + n.HTTPAddr()
	l.mu.Unlock()
}

// stop ends a node; cut off before, it cannot hand over or answer, as if it was killed.
func (l *linearCity) stop(i int, cut bool) {
	l.mu.Lock()
	l.urls[i] = ""
	l.mu.Unlock()
	if cut {
		l.wires.isolate(i, len(l.nodes), refused)
	}
	l.nodes[i].stop()
}

func (l *linearCity) leader() int {
	for i, x := range l.nodes {
		if x.cancel != nil && x.n.raft.IsLeader() {
			return i
		}
	}
	return 0
}

func (l *linearCity) heal() {
	for i := range l.nodes {
		l.wires.isolate(i, len(l.nodes), whole)
	}
}

func pass(lo, hi time.Duration, r *rand.Rand) {
	<-time.After(lo + time.Duration(r.Int64N(int64(hi-lo))))
}

// fault lets one thing happen, for a while, mostly to the leader.
func (l *linearCity) fault(r *rand.Rand) {
	l.faults++
	i := l.leader()
	if r.IntN(4) == 0 {
		i = r.IntN(len(l.nodes))
	}
	switch r.IntN(6) {
	case 0: // nothing from or to it, and nobody is told; all of it comes later
		l.wires.isolate(i, len(l.nodes), held)
	case 1:
		l.wires.isolate(i, len(l.nodes), refused)
	case 2: // deaf: it sends, and hears nothing
		for j := range l.nodes {
			if j != i {
				l.wires.set(j, i, held)
			}
		}
	case 3: // dumb: it hears, and its words do not arrive
		for j := range l.nodes {
			if j != i {
				l.wires.set(i, j, held)
			}
		}
	case 4: // killed
		l.stop(i, true)
		pass(100*time.Millisecond, time.Second, r)
		l.heal()
		l.start(i)
	case 5: // ended in order: the lead is handed over
		l.stop(i, false)
		l.start(i)
	}
	pass(200*time.Millisecond, 1800*time.Millisecond, r)
	l.heal()
	pass(100*time.Millisecond, time.Second, r)
}

// perIncident is how many requests an incident gets before clients turn to a new
// one: a checker's work grows fast with those whose outcome is unknown.
const perIncident = 60

// next gives the incident to ask about, and whether it is to be made.
func (l *linearCity) next() (record.ID, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked%perIncident == 0 {
		l.incidents = append(l.incidents, record.DerivedID("linear", fmt.Append(nil, l.seed, " ", l.asked)))
	}
	l.asked++
	return l.incidents[len(l.incidents)-1], l.asked%perIncident < 3
}

// client asks one thing after another, each at a node that the seed draws.
func (l *linearCity) client(n int) {
	r := rand.New(rand.NewPCG(l.seed, uint64(100+n)))
	for i := 0; !l.end.Load(); i++ {
		id, young := l.next()
		want := []desire{wantClaim, wantClaim, wantRelease, wantRelease, wantRead, wantRead, wantRead}[r.IntN(7)]
		if young {
			want = wantReport
		}
		l.one(n, r.IntN(len(l.nodes)), request{want: want, incident: id, officer: fmt.Sprint("officer-", n)}, r.IntN(2) == 0, i)
		pass(time.Millisecond, 15*time.Millisecond, r) // else loopback outruns what a checker can take
	}
}

// one asks one thing and notes it.
func (l *linearCity) one(client, node int, q request, list bool, nth int) reply {
	l.mu.Lock()
	url := l.urls[node]
	l.mu.Unlock()
	if url == "" {
		return reply{unknown: true}
	}
	q.via = fmt.Sprint("core-", node+1)
	call := time.Since(l.began)
	var a reply
	switch q.want {
	case wantReport:
		a = l.report(url, q)
	case wantRead:
		if list {
			q.via += " list"
			a = l.list(url, client, q)
		} else {
			a = l.read(url, client, q)
		}
	default:
		a = l.act(url, client, q, record.DerivedID("linear-act", fmt.Append(nil, l.seed, " ", client, " ", nth)))
	}
	back := int64(time.Since(l.began))
	if a.unknown {
		if q.want == wantRead {
			return a // changed nothing
		}
		back = math.MaxInt64
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, porcupine.Operation{ClientId: client, Input: q, Call: int64(call), Output: a, Return: back})
	return a
}

// lastReadings ask every node about every incident once more.
func (l *linearCity) lastReadings() {
	for i := range l.nodes {
		for _, id := range l.incidents {
			waitFor(l.t, "an answer of every node", func() bool {
				return !l.one(0, i, request{want: wantRead, incident: id}, false, 0).unknown
			})
		}
	}
}

// logIn gives every officer a cookie, which is good at every node.
func (l *linearCity) logIn() {
	for _, o := range linearOfficers() {
		b, err := json.Marshal(map[string]string{"user": o.User, "password": o.Password})
		if err != nil {
			l.t.Fatal(err)
		}
		waitFor(l.t, "a log-in", func() bool {
			resp, err := asking.Post(l.urls[0]+"/api/v1/session", "application/json", bytes.NewReader(b))
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			if resp.StatusCode != 200 || len(resp.Cookies()) == 0 {
				return false
			}
			l.tokens = append(l.tokens, resp.Cookies()[0].String())
			return true
		})
	}
}

// asking gives up before the city does, so that lost answers are met too.
var asking = &http.Client{Timeout: 2 * time.Second}

// ask gives the status and the decoded answer; 0 when none came.
func (l *linearCity) ask(method, url, cookie string, body, into any) int {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			l.t.Error(err)
			return 0
		}
		r = bytes.NewReader(b)
	}
	q, err := http.NewRequest(method, url, r)
	if err != nil {
		l.t.Error(err)
		return 0
	}
	if cookie == "" {
		q.SetBasicAuth("app-1", "linear-test-password")
	} else {
		q.Header.Set("Cookie", cookie)
	}
	resp, err := asking.Do(q)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0
	}
	if resp.StatusCode < 500 && resp.StatusCode != 404 {
		if err := json.Unmarshal(b, into); err != nil {
			l.t.Errorf("%s %s: %d with %.200q: %v", method, url, resp.StatusCode, b, err)
		}
	}
	if resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != 404 && resp.StatusCode != 409 {
		l.t.Errorf("%s %s: %d with %.200q", method, url, resp.StatusCode, b)
	}
	return resp.StatusCode
}

func (l *linearCity) report(url string, q request) reply {
	var out struct{ ID record.ID }
	s := l.ask("POST", url+"/api/v1/reports", "", map[string]any{"id": q.incident, "category": "fire", "location": map[string]any{"lat": 10.7769, "lon": 106.7009}}, &out)
	return reply{unknown: s != 200 && s != 201, done: s == 200 || s == 201}
}

func (l *linearCity) act(url string, client int, q request, id record.ID) reply {
	var out struct {
		Code   string
		Holder *struct{ Officer string }
	}
	s := l.ask("POST", url+"/api/v1/incidents/"+q.incident.String()+"/actions", l.tokens[client],
		map[string]any{"id": id, "action": map[desire]string{wantClaim: "claim", wantRelease: "release"}[q.want]}, &out)
	switch {
	case s == 200:
		return reply{done: true}
	case s == 404:
		return reply{missing: true}
	case s == 409 && out.Holder != nil:
		l.refusals.Add(1)
		return reply{holder: out.Holder.Officer}
	case s == 409 && out.Code == "not_held":
		return reply{}
	}
	return reply{unknown: true}
}

func (l *linearCity) read(url string, client int, q request) reply {
	var out struct {
		Units []struct {
			Unit   record.UnitID
			Holder *struct{ Officer string }
		}
	}
	switch s := l.ask("GET", url+"/api/v1/incidents/"+q.incident.String(), l.tokens[client], nil, &out); s {
	case 404:
		return reply{missing: true}
	case 200:
		for _, u := range out.Units {
			if u.Unit == "command" && u.Holder != nil {
				return reply{holder: u.Holder.Officer}
			}
		}
		return reply{}
	}
	return reply{unknown: true}
}

func (l *linearCity) list(url string, client int, q request) reply {
	var out struct {
		Items []struct {
			ID   record.ID
			Told []struct {
				Unit   record.UnitID
				Holder string
			}
		}
	}
	if s := l.ask("GET", url+"/api/v1/incidents?limit=1000", l.tokens[client], nil, &out); s != 200 {
		return reply{unknown: true}
	}
	for _, row := range out.Items {
		if row.ID != q.incident {
			continue
		}
		for _, u := range row.Told {
			if u.Unit == "command" {
				return reply{holder: u.Holder}
			}
		}
		return reply{}
	}
	return reply{missing: true}
}
