package core

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"wardline/sync/identity"
	"wardline/sync/planted"
	"wardline/sync/record"
)

// What a client of the desk's interface asks for.
type desire int

const (
	wantReport desire = iota
	wantClaim
	wantRelease
	wantRead // the incident alone, or its row in the list
)

// request is one of them. Officer is who claims or releases.
type request struct {
	want     desire
	incident record.ID
	officer  string
	via      string // for people: which node and which path
}

// reply is what came back. An unknown one was lost, or says that the city
// could not answer: it may have happened, and may yet happen.
type reply struct {
	unknown bool
	done    bool   // 200 or 201
	missing bool   // 404
	holder  string // as a refusal or a reading names it; empty: nobody
}

// kept is the sequential incident: what one that a single machine kept would be.
type kept struct {
	exists bool
	holder string
}

// desk is the model: a report makes the incident, a claim is a compare-and-set
// that names the holder when it fails, a reading shows what was answered before.
var desk = porcupine.Model{
	Partition: func(h []porcupine.Operation) [][]porcupine.Operation {
		at := map[record.ID]int{}
		var out [][]porcupine.Operation
		for _, o := range h {
			id := o.Input.(request).incident
			i, ok := at[id]
			if !ok {
				i = len(out)
				at[id], out = i, append(out, nil)
			}
			out[i] = append(out[i], o)
		}
		return out
	},
	Init: func() any { return kept{} },
	Step: func(state, input, output any) (bool, any) {
		k, q, a := state.(kept), input.(request), output.(reply)
		if q.want == wantReport {
			return true, kept{true, k.holder}
		}
		if a.missing {
			return !k.exists, k
		}
		if !k.exists {
			return a.unknown, k
		}
		switch q.want {
		case wantRead:
			return a.holder == k.holder, k
		case wantClaim:
			if k.holder == "" && (a.done || a.unknown) {
				return true, kept{true, q.officer}
			}
			return a.unknown || !a.done && k.holder != "" && a.holder == k.holder, k
		default:
			if k.holder == q.officer {
				return a.done || a.unknown, kept{true, ""}
			}
			return a.unknown || !a.done && a.holder == k.holder, k
		}
	},
	DescribeOperation: func(input, output any) string {
		q, a := input.(request), output.(reply)
		said := map[bool]string{true: "done", false: "holder " + a.holder}[a.done]
		switch {
		case a.unknown:
			said = "unknown"
		case a.missing:
			said = "not found"
		}
		return fmt.Sprintf("%s %s (%s): %s", [...]string{"report", "claim", "release", "read"}[q.want], q.officer, q.via, said)
	},
	DescribeState: func(s any) string { return fmt.Sprintf("%+v", s) },
}

// TestDesk_HistoryOfUnknownAndStaleAnswers_ModelTellsThemApart: a model that
// takes everything proves nothing.
func TestDesk_HistoryOfUnknownAndStaleAnswers_ModelTellsThemApart(t *testing.T) {
	id := record.DerivedID("linear", []byte("model"))
	op := func(want desire, who string, from, to int64, a reply) porcupine.Operation {
		return porcupine.Operation{Input: request{want: want, incident: id, officer: who}, Call: from, Output: a, Return: to}
	}
	made := op(wantReport, "", 0, 1, reply{done: true})
	for _, c := range []struct {
		name string
		ok   bool
		h    []porcupine.Operation
	}{
		{"in order", true, []porcupine.Operation{made, op(wantClaim, "a", 2, 3, reply{done: true}), op(wantClaim, "b", 4, 5, reply{holder: "a"}), op(wantRead, "", 6, 7, reply{holder: "a"})}},
		{"two hold", false, []porcupine.Operation{made, op(wantClaim, "a", 2, 3, reply{done: true}), op(wantClaim, "b", 4, 5, reply{done: true})}},
		{"the holder of a refusal never held", false, []porcupine.Operation{made, op(wantClaim, "a", 2, 3, reply{done: true}), op(wantClaim, "b", 4, 5, reply{holder: "c"})}},
		{"a stale reading", false, []porcupine.Operation{made, op(wantClaim, "a", 2, 3, reply{done: true}), op(wantRead, "", 4, 5, reply{})}},
		{"a report that is not found", false, []porcupine.Operation{made, op(wantRead, "", 4, 5, reply{missing: true})}},
		{"a lost answer that happened later", true, []porcupine.Operation{made, op(wantClaim, "a", 2, math.MaxInt64, reply{unknown: true}), op(wantRead, "", 3, 4, reply{}), op(wantRead, "", 5, 6, reply{holder: "a"})}},
		{"a lost answer that happened twice", false, []porcupine.Operation{made, op(wantClaim, "a", 2, math.MaxInt64, reply{unknown: true}), op(wantRead, "", 3, 4, reply{holder: "a"}),
			op(wantRelease, "a", 5, 6, reply{done: true}), op(wantRead, "", 7, 8, reply{holder: "a"})}},
	} {
		if got := porcupine.CheckOperations(desk, c.h); got != c.ok {
			t.Errorf("%s: linearizable %v, want %v", c.name, got, c.ok)
		}
	}
}

// TestReadsAndClaims_LeadersLostAndCut_Linearizable holds the city to what
// officers rely on: whichever node they ask, a claim is compare-and-set with the
// holder in its refusal, and a reading (of an incident, of the list) shows
// whatever was answered before it began. Leaders are cut off, slowed, one-way
// deaf, handed over, stopped and started meanwhile.
func TestReadsAndClaims_LeadersLostAndCut_Linearizable(t *testing.T) {
	rounds, span := 1, 9*time.Second
	if os.Getenv("WARDLINE_LONG") != "" {
		rounds, span = 20, 45*time.Second
	}
	if planted.Name != "" {
		rounds, span = 4, 20*time.Second
	}
	for round := range rounds {
		seed := uint64(round + 1)
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { linearRound(t, seed, span) }) {
			break
		}
	}
}

func linearRound(t *testing.T, seed uint64, span time.Duration) {
	dir, err := os.MkdirTemp("/dev/shm", "wardline-linear-") // nothing loses power here; syncs would be the whole time
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	l := newLinearCity(t, dir, seed)
	for i := range l.nodes {
		l.start(i)
	}
	l.logIn()
	for i := range linearClients {
		l.wg.Go(func() { l.client(i) })
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for end := time.Now().Add(span); time.Now().Before(end); {
		l.fault(r)
	}
	l.heal()
	l.end.Store(true)
	l.wg.Wait()
	l.lastReadings()

	known := 0
	for _, o := range l.history {
		if !o.Output.(reply).unknown {
			known++
		}
	}
	t.Logf("seed %d: %d requests, %d with a known outcome, %d refused claims, %d faults", seed, len(l.history), known, l.refusals.Load(), l.faults)
	if known < 30 || l.refusals.Load() == 0 { // a loaded machine gets a tenth of what a quiet one does
		t.Errorf("too little happened to prove anything: %d answers, %d refused claims", known, l.refusals.Load())
	}
	for _, part := range desk.Partition(l.history) {
		switch porcupine.CheckOperationsTimeout(desk, part, time.Minute) {
		case porcupine.Illegal:
			t.Fatalf("FAILED: linearizable: the answers about one incident fit no order of the requests\n%s", story(part))
		case porcupine.Unknown:
			t.Fatal("the history of one incident was not checked in a minute; make perIncident smaller")
		}
	}
}

// story prints the requests about one incident, with their times in seconds.
func story(part []porcupine.Operation) string {
	var out strings.Builder
	for _, o := range part {
		to := fmt.Sprintf("%8.3f", time.Duration(o.Return).Seconds())
		if o.Return == math.MaxInt64 {
			to = "     ..."
		}
		fmt.Fprintf(&out, "%8.3f to %s  client %d  %s\n", time.Duration(o.Call).Seconds(), to, o.ClientId, desk.DescribeOperation(o.Input, o.Output))
	}
	return out.String()
}

// linearClients is how many ask at a time; each is an officer of the command centre.
const linearClients = 6

func linearOfficers() (out []identity.OfficerAccount) {
	for i := range linearClients {
		out = append(out, identity.OfficerAccount{User: fmt.Sprint("officer-", i), Password: "linear-test-password", Role: identity.CommandOfficer, Unit: "command"})
	}
	return out
}
