package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

const (
	identityName = "member.json"
	rejoinName   = "rejoin.json"
	// askMembersEvery is how often a node that is not a member yet looks round.
	askMembersEvery = 250 * time.Millisecond
	// sayWaitingEvery is how often it says what it is waiting for.
	sayWaitingEvery = 10 * time.Second
)

// identity is what a node's disk remembers of who it is. The birth is drawn
// when the folder is empty, so that an emptied or replaced disk is another one
// under the same id, which must not vote as if it remembered.
type identity struct {
	ID    string `json:"id"`
	Birth string `json:"birth"`
	// Member is set once this disk takes part in Raft.
	Member bool `json:"member"`
	// Founded are the births of the founding nodes, as agreed when the
	// cluster was founded; nil at a node that joined.
	Founded map[string]string `json:"founded,omitempty"`
}

// rejoinMark says that this node's data are to be replaced, and by which birth.
type rejoinMark struct {
	Birth  string `json:"birth"`
	Reason string `json:"reason"`
}

// status is what a node tells of itself, to anyone who may ask.
type status struct {
	identity
	Founders string   `json:"founders"`
	Leads    bool     `json:"leads"`
	Low      bool     `json:"low"`
	Members  []string `json:"members,omitempty"`
}

// joinRequest asks to be a member, or to be made a voter.
type joinRequest struct {
	ID        string `json:"id"`
	Addr      string `json:"addr"`
	Birth     string `json:"birth,omitempty"`
	Applied   uint64 `json:"applied,omitempty"`
	Forwarded bool   `json:"forwarded,omitempty"`
}

// MarkRejoin makes the node of the cluster folder dir (Config.Dir) join anew at
// its next start: for a caller that finds, when it opens its State, that the State cannot be
// relied on. The State is emptied (Reset) once the others have taken the node out, not before.
func MarkRejoin(dir string, reason error) error {
	var mark rejoinMark
	if found, err := readJSON(dir, rejoinName, &mark); err != nil || found {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeJSON(dir, rejoinName, rejoinMark{Birth: newBirth(), Reason: reason.Error()})
}

func newBirth() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// loadIdentity reads who this disk is, or makes it somebody, before anyone is answered.
func loadIdentity(cfg Config) (identity, error) {
	var id identity
	found, err := readJSON(cfg.Dir, identityName, &id)
	if err != nil {
		return id, err
	}
	if !found {
		id = identity{ID: cfg.ID, Birth: newBirth()}
		return id, writeJSON(cfg.Dir, identityName, id)
	}
	if id.ID != cfg.ID {
		return id, fmt.Errorf("%s belongs to node %q, the configuration says %q; correct id or dir", cfg.Dir, id.ID, cfg.ID)
	}
	return id, nil
}

// founders is the founding list in one form, to compare.
func (c Config) founders() string {
	var ids []string
	for _, p := range c.Peers {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// others are the configured nodes but this one.
func (c Config) others() []Peer {
	return slices.DeleteFunc(slices.Clone(c.Peers), func(p Peer) bool { return p.ID == c.ID })
}

func (n *Node) askStatus(ctx context.Context, addr string) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	var s status
	b, err := n.askers.ask(ctx, addr, askStatus, nil)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// askAll asks every other configured node at once; only answers are in the result, by id.
func (n *Node) askAll(ctx context.Context) map[string]status {
	addrs := map[string]string{}
	for _, p := range n.cfg.others() {
		addrs[p.ID] = p.Addr
	}
	return askEach(ctx, addrs, func(ctx context.Context, id, addr string) (status, error) {
		s, err := n.askStatus(ctx, addr)
		if err == nil && s.ID != id {
			err = fmt.Errorf("%s is node %q, not %q", addr, s.ID, id)
			n.lg.Warn("another node than configured answers", "error", err)
		}
		return s, err
	})
}

// errWait says that it cannot be decided yet.
var errWait = errors.New("waiting for the other founding nodes")

// founding decides what a node with an empty disk is, from what all the others
// said: with a list, a founder of a cluster that has never run; with nil and no
// error, one that must join. Safe because a node founds only when every other one has
// an empty disk too, or when one that founded before names this very disk.
func founding(cfg Config, me identity, others map[string]status) (map[string]string, error) {
	founded := map[string]string{cfg.ID: me.Birth}
	member := false
	for _, s := range others {
		if s.Member {
			if s.Founded[cfg.ID] == me.Birth {
				return maps.Clone(s.Founded), nil
			}
			member = true
		}
		if s.Founders != cfg.founders() && !s.Member {
			return nil, fmt.Errorf("node %s lists the founding nodes as [%s], this one as [%s]; make the peers the same on all", s.ID, s.Founders, cfg.founders())
		}
		founded[s.ID] = s.Birth
	}
	if member {
		return nil, nil
	}
	if len(founded) < len(cfg.Peers) {
		return nil, errWait
	}
	return founded, nil
}

// becomeMember makes an empty disk part of the cluster: as a founder, or by joining.
func (n *Node) becomeMember(ctx context.Context) (founded map[string]string, err error) {
	if n.cfg.founder() {
		said := time.Now()
		for {
			founded, err = founding(n.cfg, n.me(), n.askAll(ctx))
			if founded != nil || err == nil {
				break
			}
			if !errors.Is(err, errWait) {
				return nil, err
			}
			if time.Since(said) > sayWaitingEvery {
				n.lg.Warn("waiting for all founding nodes to be reachable once", "peers", n.cfg.founders())
				said = time.Now()
			}
			if err := n.pause(ctx, askMembersEvery); err != nil {
				return nil, err
			}
		}
		if founded != nil {
			return founded, nil
		}
	}
	return nil, n.join(ctx, n.me().Birth)
}

// join asks the cluster to take this node out, if it is in, and in again as a
// non-voter. It returns nil only after a majority that does not count this
// node has committed that.
func (n *Node) join(ctx context.Context, birth string) error {
	if len(n.cfg.others()) == 0 {
		return fmt.Errorf("there is no other node to join; restore this one's folder %s from a backup, or empty it to begin anew", n.cfg.Dir)
	}
	body, err := json.Marshal(joinRequest{ID: n.cfg.ID, Addr: n.addr, Birth: birth})
	if err != nil {
		return err
	}
	said := time.Time{}
	for {
		var last error
		for _, p := range n.cfg.others() {
			actx, cancel := context.WithTimeout(ctx, n.cfg.LeaderWait+3*changeTimeout)
			_, last = n.askers.ask(actx, p.Addr, askJoin, body)
			cancel()
			if last == nil {
				n.lg.Info("joined the cluster as a non-voter", "through", p.ID)
				return nil
			}
			if errors.Is(last, ErrRefused) {
				return fmt.Errorf("join through %s: %w", p.ID, last)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		if time.Since(said) > sayWaitingEvery {
			n.lg.Warn("waiting for a cluster with a leader, to join it", "error", last)
			said = time.Now()
		}
		if err := n.pause(ctx, askMembersEvery); err != nil {
			return err
		}
	}
}

func (n *Node) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.failed:
		return n.failure()
	}
}

func (n *Node) me() identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ident
}

func (n *Node) setIdentity(id identity) error {
	if err := writeJSON(n.cfg.Dir, identityName, id); err != nil {
		return err
	}
	n.mu.Lock()
	n.ident = id
	n.mu.Unlock()
	return nil
}

// addrOf is where a member is reached: as this node's configuration has it,
// else as the cluster's has. So a whole cluster can move to other addresses at once.
func (n *Node) addrOf(s raft.Server) string {
	for _, p := range n.cfg.Peers {
		if raft.ServerID(p.ID) == s.ID {
			return p.Addr
		}
	}
	return string(s.Address)
}
