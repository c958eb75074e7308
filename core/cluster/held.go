package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	heldName = "held.json"
	// sayHeldEvery is how often a node tells the others what it holds, and
	// keepHeldEvery how often, at most, they write that down: an image of a disk is older.
	sayHeldEvery  = time.Second
	keepHeldEvery = 5 * time.Second
	// maxBirths bounds what is remembered of a node's disks, maxHeld of how many nodes.
	maxBirths = 16
	maxHeld   = 4 * maxMembers
)

// heldBy is what a node remembers of another one's disk.
type heldBy struct {
	// Births are those of the disks that the other one had, in the order in which
	// they were heard of: the last one is in use.
	Births []string `json:"births"`
	// Index is the last committed entry of which that disk said that it holds it and
	// all before.
	Index uint64 `json:"index"`
}

// older says why a disk with a birth, whose log ends at an index, is an image from
// before what is remembered of it; empty when it is not.
func (h heldBy) older(birth string, end uint64) string {
	at := slices.Index(h.Births, birth)
	switch {
	case at < 0:
		return "" // nothing was heard of it
	case at < len(h.Births)-1:
		return "another disk took its place since"
	case h.Index > end:
		return fmt.Sprintf("it held %d committed entries, and has %d", h.Index, end)
	}
	return ""
}

// heldReport is what a node says of its disk. The answer is what was remembered
// of it before.
type heldReport struct {
	ID    string `json:"id"`
	Birth string `json:"birth"`
	Index uint64 `json:"index"`
}

// witness remembers for the other nodes what their disks held. A disk that was put
// back from an older image, or whose log lost what it had promised to keep, does not know
// itself what it lacks, and would vote as if nobody relied on it.
type witness struct {
	mu    sync.Mutex // guards all below
	known map[string]heldBy
	dirty bool
}

// openWitness reads what was written down. A damaged file is said and begun anew: it
// is one of several memories.
func openWitness(dir string, lg *slog.Logger) *witness {
	w := &witness{known: map[string]heldBy{}}
	if _, err := readJSON(dir, heldName, &w.known); err != nil {
		lg.Warn("what the other nodes held is not known any more", "error", err)
		w.known = map[string]heldBy{}
	}
	return w
}

// hear takes a report and gives what was known before.
func (w *witness) hear(q heldReport) (heldBy, error) {
	if q.ID == "" || q.Birth == "" || len(q.ID) > 256 || len(q.Birth) > 64 {
		return heldBy{}, fmt.Errorf("%w: a report needs a node's id and its disk's birth", ErrRefused)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	was, known := w.known[q.ID]
	now := was
	switch at := slices.Index(was.Births, q.Birth); {
	case at < 0 && !known && len(w.known) >= maxHeld:
		return heldBy{}, fmt.Errorf("%w: no more nodes are remembered", ErrRefused)
	case at < 0:
		now = heldBy{Births: append(slices.Clone(was.Births), q.Birth), Index: q.Index}
		if n := len(now.Births); n > maxBirths {
			now.Births = now.Births[n-maxBirths:]
		}
	case at == len(was.Births)-1 && q.Index > was.Index:
		now.Index = q.Index
	default:
		return was, nil
	}
	w.known[q.ID], w.dirty = now, true
	return was, nil
}

// keep writes down what was heard.
func (w *witness) keep(dir string) error {
	w.mu.Lock()
	if !w.dirty {
		w.mu.Unlock()
		return nil
	}
	b, err := json.MarshalIndent(w.known, "", "  ")
	w.dirty = false
	w.mu.Unlock()
	if err == nil {
		err = writeFile(dir, heldName, append(b, '\n'))
	}
	if err != nil {
		w.mu.Lock()
		w.dirty = true
		w.mu.Unlock()
	}
	return err
}

// heard answers another node's report.
func (n *Node) heard(body []byte) ([]byte, error) {
	var q heldReport
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	h, err := n.witness.hear(q)
	if err != nil {
		return nil, err
	}
	return json.Marshal(h)
}

// tell says to another node what this one holds, and gives what that one remembered.
func (n *Node) tell(ctx context.Context, addr string, index uint64) (h heldBy, err error) {
	body, err := json.Marshal(heldReport{n.cfg.ID, n.me().Birth, index})
	if err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	b, err := n.askers.ask(ctx, addr, askHeld, body)
	switch {
	case errors.Is(err, ErrRefused):
		return h, nil // it knows nothing, for example because it is of an older version
	case err == nil:
		err = json.Unmarshal(b, &h)
	}
	return h, err
}

// sayHeld tells the others what this node holds, and writes down what they tell.
func (n *Node) sayHeld(ctx context.Context, r *raft.Raft) {
	t := time.NewTicker(sayHeldEvery)
	defer t.Stop()
	kept := time.Now()
	keep := func() {
		if err := n.witness.keep(n.cfg.Dir); err != nil {
			n.lg.Warn("what the other nodes hold could not be written down", "error", err)
		}
		kept = time.Now()
	}
	defer keep()
	said := map[raft.ServerID]uint64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		index := r.CommitIndex()
		var wg sync.WaitGroup
		var mu sync.Mutex // guards said
		for _, s := range n.otherMembers() {
			mu.Lock()
			again := said[s.ID] == index
			mu.Unlock()
			if again {
				continue
			}
			wg.Go(func() {
				if _, err := n.tell(ctx, n.addrOf(s), index); err == nil {
					mu.Lock()
					said[s.ID] = index
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if time.Since(kept) > keepHeldEvery {
			keep()
		}
	}
}

// checkHeld asks the others what they remember of this node's disk, before it takes
// part, and waits until so many have answered that some of every majority are among them.
// ErrRejoin says that the disk is an older image, or that its log has lost its end.
func (n *Node) checkHeld(ctx context.Context) error {
	conf, end, err := n.onDisk()
	if err != nil {
		return err
	}
	addrs := map[string]string{}
	for _, p := range n.cfg.others() {
		addrs[p.ID] = p.Addr
	}
	voters, votes := 0, 0 // votes: this node's own
	for _, s := range conf.Servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
		switch {
		case string(s.ID) != n.cfg.ID:
			addrs[string(s.ID)] = n.addrOf(s)
		case s.Suffrage == raft.Voter:
			votes = 1
		}
	}
	need := min(voters/2+1-votes, len(addrs))
	answered := map[string]bool{}
	for said := time.Now(); ; {
		for id, h := range askEach(ctx, addrs, func(ctx context.Context, _, addr string) (heldBy, error) { return n.tell(ctx, addr, 0) }) {
			if why := h.older(n.me().Birth, end); why != "" {
				return fmt.Errorf("%w: %s remembers more of this disk: %s", ErrRejoin, id, why)
			}
			answered[id] = true
		}
		if len(answered) >= need {
			return nil
		}
		if time.Since(said) > sayWaitingEvery {
			n.lg.Warn("waiting for other nodes, to hear what they remember of this one's disk", "answered", len(answered), "needed", need)
			said = time.Now()
		}
		if err := n.pause(ctx, askMembersEvery); err != nil {
			return err
		}
	}
}

// onDisk is the newest configuration that this disk knows, and where its entries end.
func (n *Node) onDisk() (conf raft.Configuration, end uint64, err error) {
	mark := n.snaps.current()
	_, last, err := n.log.span()
	if err != nil {
		return conf, 0, err
	}
	if conf = mark.Configuration; n.log.conf != nil {
		conf = *n.log.conf
	}
	return conf, max(last, mark.Index, mark.Applied), nil
}
