package core

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"wardline/core/cluster"
	"wardline/core/fsm"
	"wardline/sync/api"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

// Questions to the other nodes about wrapping keys, which never stand in the log: take
// this one, give that one, give rows of wrapped keys.
const (
	askTakeKey = "take-key"
	askGiveKey = "give-key"
	askKeyRows = "key-rows"
)

const (
	// keysEvery is how often a node looks whether a wrapping key has come or is to go.
	keysEvery = 100 * time.Millisecond
	// keysPause is the time after something about them failed.
	keysPause = 5 * time.Second
	// mendTries is how often rows are asked for before they are given up: a minute.
	mendTries = 12
	// mendRows is how many rows of wrapped keys are asked for at once: together below
	// what an answer carries.
	mendRows = 4
)

// openKeys opens the wrapping keys. The city's own key is the one of before there were
// generations: it unwraps, and what it wrapped is wrapped anew at the first turn.
func (n *Node) openKeys(disk *sealing.Disk) error {
	old, err := sealing.OpenKeyring(n.c.CityKey)
	if err != nil {
		return err
	}
	n.keys, err = sealing.OpenRing(filepath.Join(n.c.Dir, "keys"), disk, old)
	return err
}

// proposeSealed proposes what carries keys of sealed parts, wrapped by build with the
// key in use; when another one came into use meanwhile, again with that.
func proposeSealed(ctx context.Context, c Cluster, keys sealing.Keys, lane cluster.Lane, sealed bool, build func(*record.Wrapper) []byte) (fsm.Result, error) {
	if !sealed {
		return c.Propose(ctx, lane, build(nil))
	}
	var w *record.Wrapper
	for {
		limit, cancel := context.WithTimeout(ctx, writeLimit)
		next, err := keys.NextWrapper(limit, w)
		cancel()
		if err != nil {
			return fsm.Result{}, err
		}
		w = next
		if r, err := c.Propose(ctx, lane, build(w)); err != nil || r.Status != fsm.Stale {
			return r, err
		}
	}
}

// proposeSealed proposes an entry of the core with the keys of its sealed part.
func (n *Node) proposeSealed(ctx context.Context, lane cluster.Lane, body []byte, keys ...*api.SealedKey) (fsm.Result, error) {
	sealed := len(keys) > 0 && keys[0] != nil
	return proposeSealed(ctx, raftLine{n}, n.keys, lane, sealed, func(w *record.Wrapper) []byte {
		var wrapped []record.WrappedKey
		if sealed {
			wrapped = append(wrapped, w.Wrap(keys[0].ID, keys[0].Key))
		}
		return fsm.Body(body, wrapped)
	})
}

// keepKeys keeps this node's wrapping keys as the log says, carries out erasures, and
// at the leader lets the keys turn, until ctx ends.
func (n *Node) keepKeys(ctx context.Context) error {
	t := time.NewTicker(keysEvery)
	defer t.Stop()
	last := ""
	for {
		err := n.turnKeys(ctx)
		if errors.Is(err, fsm.ErrHole) {
			return err
		}
		wait := time.Duration(0)
		if err != nil && ctx.Err() == nil {
			if err.Error() != last {
				n.log.Warn("wrapping keys", "err", err)
			}
			last, wait = err.Error(), keysPause
		} else {
			last = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// turnKeys does what there is to do now; mostly nothing.
func (n *Node) turnKeys(ctx context.Context) error {
	now := n.machine.Wrapping()
	if now.Gen > 0 && n.keys.Current() != now.Key {
		if err := n.useKey(ctx, now); err != nil {
			return err
		}
	}
	last, soon := n.machine.Erased()
	if last > n.forgot {
		done, err := n.machine.Forget()
		if err != nil {
			return err
		}
		n.forgot = done
	}
	if now.Gen > 0 && (n.keys.Older() || n.machine.RewrappedTo() != now.Gen) {
		if err := n.destroyOlder(ctx, now); err != nil {
			return err
		}
	}
	if !n.raft.IsLeader() || now != n.machine.Wrapping() {
		return nil
	}
	if n.machine.CityTime() == 0 {
		return nil // no tick yet: the first key would be as old as the calendar
	}
	if now.Gen == 0 || soon > now.Index || n.machine.CityTime()-now.Time >= sealing.Turn(n.c.WrappingDays).Milliseconds() {
		return n.rotate(ctx, now.Gen+1)
	}
	return nil
}

// rotate lets the next wrapping key come into use, once a majority of the nodes has it
// on its disks: what is wrapped with it is to survive whatever the log survives.
func (n *Node) rotate(ctx context.Context, gen uint32) error {
	secret := sealing.NewSecret()
	if have, id := n.keys.Latest(); have == gen { // made before, and not in use
		secret, _, _ = n.keys.Secret(id)
	} else if err := n.keys.Put(gen, secret); err != nil {
		return err
	}
	q := append(binary.BigEndian.AppendUint32([]byte(askTakeKey+" "), gen), secret[:]...)
	have := 1 + len(n.raft.AskOthers(ctx, q))
	if all := len(n.raft.Members()); 2*have <= all {
		return fmt.Errorf("the next wrapping key reached %d of %d nodes; it comes into use once most have it", have, all)
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	r, err := n.propose(ctx, cluster.Urgent, fsm.NextWrapping(gen, sealing.KeyName(secret)))
	if err == nil && r.Status != fsm.OK {
		err = errors.New(r.Detail)
	}
	if err == nil {
		n.log.Info("another wrapping key is in use", "generation", gen)
	}
	return err
}

// useKey makes the key in use the one with which this node wraps; where it is not here
// the other nodes have it.
func (n *Node) useKey(ctx context.Context, now fsm.Wrapping) error {
	if n.keys.Use(now.Key) {
		return nil
	}
	for _, a := range n.raft.AskOthers(ctx, append([]byte(askGiveKey+" "), now.Key[:]...)) {
		if len(a) != 32 || sealing.KeyName([32]byte(a)) != now.Key {
			continue
		}
		if err := n.keys.Put(now.Gen, [32]byte(a)); err != nil {
			return err
		}
		n.keys.Use(now.Key)
		return nil
	}
	return fmt.Errorf("wrapping key %d is not on this node's disk, and no other node gives it now; until then nothing with a name can be taken or read here", now.Gen)
}

// fit says whether this node may vote: it has the wrapping key that is in use, so that
// fewer nodes never have the key than the log.
func (n *Node) fit() bool {
	now := n.machine.Wrapping()
	return now.Gen > 0 && n.keys.Current() == now.Key // of generation 0 it has not heard yet
}

func (n *Node) takeKey(q []byte) ([]byte, error) {
	if len(q) != 4+32 {
		return nil, fmt.Errorf("a wrapping key of %d bytes", len(q))
	}
	if err := n.keys.Put(binary.BigEndian.Uint32(q), [32]byte(q[4:])); err != nil {
		return nil, err
	}
	return []byte("kept"), nil
}

func (n *Node) giveKey(q []byte) ([]byte, error) {
	if len(q) != 8 {
		return nil, fmt.Errorf("a wrapping key's name of %d bytes", len(q))
	}
	secret, _, ok := n.keys.Secret([8]byte(q))
	if !ok {
		return nil, errors.New("it is not here")
	}
	return secret[:], nil
}

func (n *Node) giveKeyRows(q []byte) (out []byte, err error) {
	if len(q) == 0 || len(q)%8 != 0 || len(q) > 8*mendRows {
		return nil, fmt.Errorf("%d bytes of city indexes", len(q))
	}
	for ; len(q) > 0; q = q[8:] {
		row, err := n.machine.KeyRow(binary.BigEndian.Uint64(q))
		if err != nil {
			return nil, err
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(row))), row...)
	}
	return out, nil
}

// destroyOlder wraps what is left with the key in use, destroys those before it, and
// says so in the log when something was erased meanwhile.
func (n *Node) destroyOlder(ctx context.Context, now fsm.Wrapping) error {
	done, err := n.machine.Forget()
	if err != nil {
		return err
	}
	if done < now.Index {
		return fmt.Errorf("erasures are carried out up to %d, the key came at %d", done, now.Index)
	}
	to, err := n.keys.NextWrapper(ctx, nil)
	if err != nil {
		return err
	}
	keys, left := 0, 0
	for from := uint64(0); ; {
		began := time.Now()
		r, err := n.machine.Rewrap(from, n.keys, to)
		if err != nil {
			return err
		}
		keys += r.Keys
		if lost := r.Lost; len(lost) > 0 {
			lost, err := n.mend(ctx, lost)
			if err != nil {
				return err
			}
			left += lost
		}
		if from = r.Next; from == 0 {
			break
		}
		if r.Keys > 0 { // half of the time is the log's
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Since(began)):
			}
		}
	}
	if left > 0 && n.vain < mendTries { // a node that is away, or not done itself, may have them
		n.vain++
		return fmt.Errorf("%d keys of sealed parts cannot be unwrapped here; the other nodes are asked again", left)
	}
	n.vain = 0
	if left > 0 {
		n.log.Error("keys of sealed parts can be unwrapped by no node that answers; what they open is lost here", "keys", left)
	}
	// Durably, before what could wrap and unwrap the rows of before is gone: after a power
	// cut the log gives nothing again that needs it.
	if err := n.machine.Sync(); err != nil {
		return err
	}
	if err := n.keys.DestroyOlder(); err != nil {
		return err
	}
	if err := n.machine.RewrappedAll(now.Gen); err != nil {
		return err
	}
	if keys > 0 {
		n.log.Info("keys of sealed parts are wrapped anew, the wrapping keys before are destroyed", "generation", now.Gen, "keys", keys)
	}
	return n.sayDestroyed(ctx, now)
}

// mend takes from the other nodes what this one cannot unwrap: it was away while the
// keys turned more than once, or came to the city later. It gives how many are left.
func (n *Node) mend(ctx context.Context, rows []uint64) (left int, err error) {
	for ; len(rows) > 0; rows = rows[min(mendRows, len(rows)):] {
		part := rows[:min(mendRows, len(rows))]
		q := []byte(askKeyRows + " ")
		for _, first := range part {
			q = binary.BigEndian.AppendUint64(q, first)
		}
		answers := n.raft.AskOthers(ctx, q)
		for i, first := range part {
			lost, err := n.machine.MendKeys(first, nil, n.keys)
			for _, a := range answers {
				if err != nil || lost == 0 {
					break
				}
				lost, err = n.machine.MendKeys(first, rowAt(a, i), n.keys)
			}
			if err != nil {
				return left, err
			}
			left += lost
		}
	}
	return left, nil
}

func rowAt(answer []byte, i int) []byte {
	for ; len(answer) >= 4; i-- {
		size := int(binary.BigEndian.Uint32(answer))
		if size > len(answer)-4 {
			return nil
		}
		if i == 0 {
			return answer[4 : 4+size]
		}
		answer = answer[4+size:]
	}
	return nil
}

// sayDestroyed writes the entry by which it is known that this node is done.
func (n *Node) sayDestroyed(ctx context.Context, now fsm.Wrapping) error {
	list, err := n.machine.ErasuresBefore(now.Index+1, 1)
	if err != nil || len(list) == 0 {
		return err
	}
	if _, done, err := n.machine.Destroyed(n.c.ID, list[0].Index); err != nil || done {
		return err
	}
	b := record.Body{ID: record.DerivedID("erased", []byte(n.c.ID), now.Key[:]), Kind: record.KindErased, Origin: record.CoreOrigin, HLC: n.clock.Now(),
		Clock: record.ClockSure, ReceivedAt: n.wall().UnixMilli(), Payload: record.Payload{Patrol: n.c.ID, Index: now.Index}}
	raw, err := b.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	_, err = n.propose(ctx, cluster.Routine, fsm.Body(raw, nil))
	return err
}
