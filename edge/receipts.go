package edge

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"

	"wardline/edge/broker"
	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/report"
)

// Limits of the receipts.
const (
	// maxAwaiting bounds the reports that are remembered until the city has them: an
	// hour of a busy ward cut off. Beyond it the ledger is read again.
	maxAwaiting = 100_000
	// maxLooks bounds the incidents that wait to be looked at. What finds no
	// room is not told; who wants to know asks GET /api/v1/reports/{id}.
	maxLooks = 4096
	// scanStep is how many entries are read from the ledger at a time.
	scanStep = 256
)

// receipts tells devices how far their reports are: safe at the ward, in the
// city's log, seen by an officer. They live in memory alone: after a restart a device
// offers what has no city receipt again, and its answer says all of it.
type receipts struct {
	origin record.Origin
	ledger *ledger.Ledger
	room   int // maxAwaiting
	// send hands a device a message, now or when its kept session goes on; false
	// says that the device will not have it. It does not block.
	send func(device string, payload []byte) bool
	log  *slog.Logger

	mu     sync.Mutex // guards below
	chains map[record.ChainID]*awaiting
	count  int
	looks  chan look
}

// awaiting are the reports of one chain that the city has not confirmed.
type awaiting struct {
	reports awaitHeap
	// from and to are the seqs of reports that were not remembered; 0 when none.
	from, to record.Seq
}

type await struct {
	seq    record.Seq
	device string
	id     record.ID
}

type awaitHeap []await

func (h awaitHeap) Len() int           { return len(h) }
func (h awaitHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h awaitHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *awaitHeap) Push(x any)        { *h = append(*h, x.(await)) }
func (h *awaitHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// look is an incident to be looked at for an officer's claim. With a device it is
// told alone, otherwise every device that reported.
type look struct {
	incident record.ID
	device   string
}

func newReceipts(s *Station) *receipts {
	return &receipts{origin: s.origin, ledger: s.ledger, room: maxAwaiting, log: s.log, chains: map[record.ChainID]*awaiting{}, looks: make(chan look, maxLooks),
		send: func(device string, payload []byte) bool { return s.mqtt.Send(device, broker.Receipt, payload) }}
}

// tell says which step a report reached; a hand-made message, since one goes out
// for every report.
func (x *receipts) tell(device string, id record.ID, step string, at int64, inc record.Incarnation) bool {
	b := make([]byte, 0, 160)
	b = append(append(b, `{"id":"`...), id.String()...)
	b = append(append(b, `","step":"`...), step...)
	b = append(append(b, `","at":"`...), api.Time(at).String()...)
	b = append(append(b, `","incarnation":"`...), inc.String()...)
	return x.send(device, append(b, `"}`...))
}

// refusal is the message about a report that was refused for good.
type refusal struct {
	Error  report.Details `json:"error"`
	ID     string         `json:"id,omitempty"`
	SHA256 string         `json:"payload_sha256"`
}

func (x *receipts) refused(device string, p *report.Problem, payload []byte) {
	d, sum := p.Details(), sha256.Sum256(payload)
	id := d.ID
	d.ID = ""
	b, err := json.Marshal(refusal{d, id, hex.EncodeToString(sum[:])})
	if err != nil {
		x.log.Error("a refusal cannot be written", "err", err)
		return
	}
	x.send(device, b)
}

// kept says that a report is synced, and remembers to say when the city has it.
func (x *receipts) kept(device string, k intake.Answer) {
	chain := record.ChainID{Origin: x.origin, Incarnation: k.Incarnation, Lane: k.Lane}
	if !x.tell(device, k.ID, "ward", k.ReceivedAt, k.Incarnation) {
		return // it does not listen; on its return it offers again what has no city receipt
	}
	if r, ok := x.ledger.Receipt(chain); ok && k.Seq <= r.Seq {
		x.tell(device, k.ID, "city", r.At, k.Incarnation)
		if k.Repeat && !k.Silent {
			x.look(look{k.Incident, device})
		}
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.chains[chain]
	if a == nil {
		a = &awaiting{}
		x.chains[chain] = a
	}
	if x.count >= x.room {
		if a.from == 0 || k.Seq < a.from {
			a.from = k.Seq
		}
		a.to = max(a.to, k.Seq)
		return
	}
	x.count++
	heap.Push(&a.reports, await{k.Seq, device, k.ID})
}

// claimed says that an officer took an incident.
func (x *receipts) claimed(incident record.ID) { x.look(look{incident: incident}) }

func (x *receipts) look(l look) {
	select {
	case x.looks <- l:
	default:
	}
}

// Run tells until ctx ends.
func (x *receipts) Run(ctx context.Context) error {
	for {
		changed := x.ledger.Changed()
		if err := x.confirm(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case l := <-x.looks:
			if err := x.seen(l); err != nil {
				return err
			}
		case <-changed:
		}
	}
}

// confirm tells what the city's receipts cover now.
func (x *receipts) confirm(ctx context.Context) error {
	x.mu.Lock()
	chains := make([]record.ChainID, 0, len(x.chains))
	for c := range x.chains {
		chains = append(chains, c)
	}
	x.mu.Unlock()
	for _, c := range chains {
		r, ok := x.ledger.Receipt(c)
		if !ok {
			continue
		}
		var done []await
		var from, to record.Seq
		x.mu.Lock()
		a := x.chains[c]
		for len(a.reports) > 0 && a.reports[0].seq <= r.Seq {
			done = append(done, heap.Pop(&a.reports).(await))
		}
		x.count -= len(done)
		if a.from != 0 && a.from <= r.Seq {
			from, to = a.from, min(a.to, r.Seq)
			if a.from = to + 1; a.from > a.to {
				a.from, a.to = 0, 0
			}
		}
		if len(a.reports) == 0 && a.from == 0 {
			delete(x.chains, c)
		}
		x.mu.Unlock()
		for _, w := range done {
			x.tell(w.device, w.id, "city", r.At, c.Incarnation)
		}
		if from != 0 {
			if err := x.again(ctx, c, from, to, r.At); err != nil {
				return err
			}
		}
	}
	return nil
}

// again reads from the ledger what was not remembered.
func (x *receipts) again(ctx context.Context, c record.ChainID, from, to record.Seq, at int64) error {
	for from <= to && ctx.Err() == nil {
		list, _, err := x.ledger.Read(c, from, scanStep, 1<<20)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, e := range list {
			from = e.Link.Seq + 1
			b, err := record.DecodeBody(e.Body)
			if err != nil {
				return err
			}
			if b.Kind == record.KindReport && b.Actor.Kind == record.ByDevice && e.Link.Seq <= to {
				x.tell(b.Actor.Name, b.Payload.Report, "city", at, c.Incarnation)
			}
		}
	}
	return nil
}

// seen tells the devices whose reports an officer has. The device of a silent
// alarm is never told: it stands where the attacker is.
func (x *receipts) seen(l look) error {
	rows, err := x.ledger.Incident(l.incident)
	if err != nil {
		return err
	}
	bodies := make([]record.Body, len(rows))
	claimed := int64(0)
	for i, r := range rows {
		bodies[i] = r.Body
		if r.Body.Kind == record.KindClaim && (claimed == 0 || r.Body.HLC.Millis() < claimed) {
			claimed = r.Body.HLC.Millis()
		}
	}
	if claimed == 0 || record.Fold(l.incident, bodies).Silent {
		return nil
	}
	told := map[string]bool{}
	for _, r := range rows {
		device := r.Body.Actor.Name
		if r.Body.Kind != record.KindReport || r.Body.Actor.Kind != record.ByDevice || r.Body.Origin != x.origin ||
			told[device] || (l.device != "" && l.device != device) {
			continue
		}
		told[device] = true
		x.tell(device, r.Body.Payload.Report, "seen", claimed, r.Entry.Link.Incarnation)
	}
	return nil
}
