package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/planted"
	"wardline/sync/record"
)

// Reincarnate answers a FORK: the city holds other entries than ours from seq
// `from` on. Ours are put aside and their bodies appended again, with the same
// ids, in a new incarnation; nothing is lost and nothing overwritten. When it
// returns the chain is cut and a row says what is to be moved: the committer
// goes on with it in steps, after a crash too.
func (l *Ledger) Reincarnate(c record.ChainID, from record.Seq) error {
	if c.Origin != l.o.Origin || from == 0 {
		return fmt.Errorf("ledger: %s/%d is no entry of %s", c.Origin, from, l.o.Origin)
	}
	name := chainName{c.Incarnation, c.Lane}
	var m move
	r := &request{lane: record.Urgent, solo: true, size: maxForeign, op: func(b *batch) error {
		head, ok := b.l.chains[name]
		if !ok || head.Seq < from {
			return nil // moved already
		}
		m = move{name, from, head.Seq}
		if err := b.cutChain(name, from-1); err != nil {
			return err
		}
		return b.moveOn(m)
	}}
	if err := l.wait(r); err != nil || m.last == 0 {
		return err
	}
	l.o.Log.Error("ALARM: this disk and the city held different entries at the same place; ours are appended again in a new incarnation",
		"incarnation", c.Incarnation.String(), "lane", c.Lane.String(), "from", from, "entries", m.last-from+1)
	return nil
}

// moveEntries and moveBytes bound how much of a fork one transaction moves;
// each entry is written twice in it.
const (
	moveEntries = 64
	moveBytes   = 128 << 10
)

// move is entries of a forked chain that are to be appended again.
type move struct {
	name        chainName
	first, last record.Seq
}

func decodeMove(k, v []byte) (move, error) {
	if len(k) != 13 || len(v) != 16 {
		return move{}, errRow
	}
	return move{chainName{record.Incarnation(binary.BigEndian.Uint64(k[1:])), record.LaneID(binary.BigEndian.Uint32(k[9:]))},
		record.Seq(binary.BigEndian.Uint64(v)), record.Seq(binary.BigEndian.Uint64(v[8:]))}, nil
}

// moveOn does one step of a move and leaves a row that says what remains.
func (b *batch) moveOn(m move) error {
	next, err := b.moveAside(m)
	if err != nil {
		return err
	}
	key := chainKey(rowMove, m.name.inc, m.name.lane)
	rest := move{m.name, next, m.last}
	b.onCommit = append(b.onCommit, func() {
		b.l.moves = slices.DeleteFunc(b.l.moves, func(o move) bool { return o.name == m.name })
		if rest.first <= rest.last {
			b.l.moves = append(b.l.moves, rest)
		}
	})
	if rest.first > rest.last {
		return b.drop(key)
	}
	return b.set(key, u64(u64(nil, uint64(rest.first)), uint64(rest.last)))
}

// continueMoves does one step of what remains to be moved, in the committer's
// goroutine; it says whether there was any and room for it.
func (l *Ledger) continueMoves() (bool, error) {
	if len(l.moves) == 0 {
		return false, nil
	}
	m := l.moves[0]
	var failed error
	r := &request{lane: record.Urgent, size: moveBytes, done: func(_ Result, err error) { failed = err },
		op: func(b *batch) error { return b.moveOn(m) }}
	if err := l.commit([]*request{r}); err != nil {
		return false, err
	}
	if errors.Is(failed, ErrNoSpace) {
		return false, nil // when there is room again
	}
	return true, failed
}

// cutChain moves a chain's head back and makes sure that what follows is
// appended in another incarnation. It reads the disk: nothing of its batch may stand before it.
func (b *batch) cutChain(name chainName, seq record.Seq) error {
	c := *b.l.chains[name]
	c.Seq, c.Hash = seq, record.Hash{}
	if seq > 0 {
		h, ok, err := b.onDisk(name, seq)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: %s/%s/%d is not there", errRow, name.inc, name.lane, seq)
		}
		c.Hash = h.entry.Hash()
		r, _, err := b.rangeOf(name, seq)
		if err != nil {
			return err
		}
		if r.last > seq { // the block's range ends here; the rest of it is named until it is moved
			r.last = seq
			if err := b.set(rangeKey(name, seq), r.encode()); err != nil {
				return err
			}
		}
	}
	b.chains[name] = &c
	if b.inc == name.inc || b.inc == 0 {
		b.inc, b.order = newIncarnation(), b.order+1
	}
	return nil
}

func (b *batch) rangeOf(name chainName, seq record.Seq) (r chainRange, ok bool, err error) {
	err = b.l.db.View(func(tx *badger.Txn) error {
		r, ok, err = rangeOf(tx, name, seq)
		return err
	})
	return r, ok, err
}

// moveAside appends bodies of a move again, as many as one step may, and gives
// the seq that is next. The old ones stay where they are; of the chain they are no more.
func (b *batch) moveAside(m move) (record.Seq, error) {
	seq, began := m.first, b.bytes
	for ; seq <= m.last && seq < m.first+moveEntries && b.bytes+int64(len(b.block))-began < moveBytes; seq++ {
		if err := b.moveOne(m.name, seq); err != nil {
			return seq, err
		}
		r, ok, err := b.rangeOf(m.name, seq)
		if err != nil {
			return seq, err
		}
		if ok && r.last == seq {
			if err := b.drop(rangeKey(m.name, seq)); err != nil {
				return seq, err
			}
		}
	}
	return seq, nil
}

func (b *batch) moveOne(c chainName, seq record.Seq) error {
	old, ok, err := b.onDisk(c, seq)
	if err != nil || !ok {
		return err
	}
	body, err := record.DecodeBody(old.entry.Body)
	if err != nil {
		return err
	}
	if planted.RetryNewID {
		body.ID = record.NewID(b.l.o.Wall())
		body.Incident, body.Payload.Report = body.ID, body.ID
		if old.entry.Body, err = body.Encode(); err != nil {
			return err
		}
	}
	keys, err := b.keysAt(old.place)
	if err != nil {
		return err
	}
	h := held{flags: old.flags & flagOnce, extra: old.extra}
	res, err := b.own(c.lane, &body, encoded{old.entry.Body, sha256.Sum256(old.entry.Body)}, &h)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := b.dropFromBlock(old.block, map[string]bool{string(placedKey(old.pos-old.block, k.Key)): true}); err != nil { // an erasure finds it at one place alone
			return err
		}
		if k, err = b.fresh(k); err != nil {
			return err
		}
		b.keys = k.Append(binary.BigEndian.AppendUint16(b.keys, uint16(h.pos-h.block)))
	}
	if h.flags&flagOnce != 0 {
		s := storedOf(&h, res.Hash, &body)
		b.once[body.Payload.Report] = &s
		if err := b.set(idKey(rowOnce, body.Payload.Report[:]), h.place.encode()); err != nil {
			return err
		}
	}
	if old.flags&flagRouted != 0 { // found by its report so far
		if err := b.set(incidentKey(body.Incident, old.pos+1), u64(nil, old.block)); err != nil {
			return err
		}
	}
	return b.index(&body, h.place, h.flags&flagOnce != 0)
}

// keysAt are the wrapped keys of an entry's sealed parts.
func (b *batch) keysAt(at place) (keys []record.WrappedKey, err error) {
	err = b.l.db.View(func(tx *badger.Txn) error {
		keys, err = blockKeys(tx, at.block, nil, func(n uint16, _ record.KeyID) bool { return at.block+uint64(n) == at.pos })
		return err
	})
	return keys, err
}
