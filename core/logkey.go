package core

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"wardline/core/fsm"
	"wardline/core/tree"
	"wardline/sync/api"
	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/sealing"
	"wardline/sync/trust"
)

// logOverlap is how long the key of before signs checkpoints too, by the city's time: until
// auditors who come once a month have heard of the next.
const logOverlap = 35 * 24 * time.Hour

// logKeys are the keys of the city's log, derived from the authority's secret, the same at all
// nodes; which is in force from which entry on is in the state.
type logKeys struct {
	file    string
	machine *fsm.Machine

	mu   sync.Mutex // guards made
	made map[int]*audit.Signer
}

var _ tree.Signer = (*logKeys)(nil)

// key is the log's n-th, from 1.
func (k *logKeys) key(n int) (*audit.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.made[n]; s != nil {
		return s, nil
	}
	seed, err := sealing.Derive(k.file, fmt.Sprintf("log %d", n))
	if err != nil {
		return nil, fmt.Errorf("authority_key: %w", err)
	}
	s, err := audit.NewSigner(ed25519.NewKeyFromSeed(seed[:]))
	if err == nil {
		k.made[n] = s
	}
	return s, err
}

// at is the number of the key that signs a log of a size, and the turns until then.
func (k *logKeys) at(size uint64) (n int, turns []fsm.LogTurn) {
	turns = k.machine.Machines().Log
	for n < len(turns) && turns[n].Index <= size {
		n++
	}
	return n + 1, turns[:n]
}

// pair are the key that signs a log of a size and, if there is one, the key of before.
func (k *logKeys) pair(n int) (now *audit.Signer, before []*audit.Signer, err error) {
	if now, err = k.key(n); err != nil || n == 1 {
		return now, nil, err
	}
	b, err := k.key(n - 1)
	return now, []*audit.Signer{b}, err
}

// Sign implements tree.Signer.
func (k *logKeys) Sign(c audit.Checkpoint) ([]byte, error) {
	n, turns := k.at(c.Size)
	now, before, err := k.pair(n)
	if err != nil {
		return nil, err
	}
	if n > 1 && k.machine.CityTime()-turns[n-2].At > logOverlap.Milliseconds() {
		before = nil
	}
	return now.SignCheckpoint(c, before...)
}

// Open implements tree.Signer. A node whose state is older than its checkpoints, because it joined
// anew, has not heard of the last turn: the next key is tried too.
func (k *logKeys) Open(note []byte) (c audit.Checkpoint, err error) {
	size, err := audit.CheckpointSize(note)
	if err != nil {
		return c, err
	}
	n, _ := k.at(size)
	for i := range 2 {
		now, before, kerr := k.pair(n + i)
		if kerr != nil {
			return c, kerr
		}
		var keys []audit.Key
		for _, b := range before {
			keys = append(keys, b.Key)
		}
		if c, err = now.OpenCheckpoint(note, keys...); err == nil {
			return c, nil
		}
	}
	return c, err
}

// book is what an export of a log of a size begins with.
type book struct {
	first       audit.Key
	signer      *audit.Signer // the one in force
	successions [][]byte
	statements  [][]byte
}

func (n *Node) book(size uint64) (b book, err error) {
	k := n.proofs.keys
	g, turns := k.at(size)
	first, err := k.key(1)
	if err != nil {
		return b, err
	}
	b.first = first.Key
	if b.signer, err = k.key(g); err != nil {
		return b, err
	}
	for _, t := range turns {
		b.successions = append(b.successions, t.Note)
	}
	st, err := b.signer.StateKey(audit.Statement{Node: n.c.ID, Key: n.sign.Public().(ed25519.PublicKey)})
	b.statements = [][]byte{st}
	return b, err
}

// turnLogKey begins the log's next key.
func (b backend) turnLogKey(ctx context.Context, by identity.Officer) error {
	if err := b.read(ctx); err != nil {
		return err
	}
	k := b.n.proofs.keys
	have, err := k.key(len(b.n.machine.Machines().Log) + 1)
	if err != nil {
		return err
	}
	c := trust.Change{Op: trust.OpLogKey, Current: uint32(len(b.n.machine.Machines().Log) + 2)}
	next, err := k.key(int(c.Current))
	if err != nil {
		return err
	}
	if c.Log, err = have.Succeed(next.Key, int(c.Current)); err != nil {
		return err
	}
	// Two orders at once are one turn: the second is refused.
	err = b.n.changeMachines(ctx, record.DerivedID("log-key", c.Log), c, record.Actor{Kind: record.ByOfficer, Name: by.User, Unit: by.Unit})
	if errors.Is(err, errRefused) {
		return api.Problem(409, "refused", "", "%v", err)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}
