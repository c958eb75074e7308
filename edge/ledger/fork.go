package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

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
	l.smu.RLock()
	head, ok := l.chains[name]
	l.smu.RUnlock()
	if !ok || head.Seq < from {
		return nil // moved already
	}
	m := move{name, from, head.Seq}
	err := l.op(maxForeign, func(b *batch) error {
		if err := b.cutChain(name, from-1); err != nil {
			return err
		}
		return b.moveOn(m)
	})
	if err != nil {
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
// appended in another incarnation.
func (b *batch) cutChain(name chainName, seq record.Seq) error {
	c := *b.l.chains[name]
	if have, ok := b.chains[name]; ok {
		c = *have
	}
	c.Seq, c.Hash = seq, record.Hash{}
	if seq > 0 {
		row, err := get(b.tx, entryKey(rowEntry, name.inc, name.lane, seq))
		if err != nil {
			return err
		}
		e, _, err := record.DecodeEntry(row[min(8, len(row)):])
		if err != nil {
			return err
		}
		c.Hash = e.Hash()
	}
	b.chains[name] = &c
	if b.inc == name.inc || b.inc == 0 {
		b.inc, b.order = newIncarnation(), b.order+1
	}
	return nil
}

// moveAside appends bodies of a move again, as many as one step may, keeps the
// old rows aside, and gives the seq that is next.
func (b *batch) moveAside(m move) (record.Seq, error) {
	seq, began := m.first, b.bytes
	for ; seq <= m.last && seq < m.first+moveEntries && b.bytes-began < moveBytes; seq++ {
		if err := b.moveOne(m.name, seq); err != nil {
			return seq, err
		}
	}
	return seq, nil
}

func (b *batch) moveOne(c chainName, seq record.Seq) error {
	key := entryKey(rowEntry, c.inc, c.lane, seq)
	row, err := get(b.tx, key)
	if err != nil {
		return err
	}
	if len(row) < 8 {
		return nil
	}
	e, _, err := record.DecodeEntry(row[8:])
	if err != nil {
		return err
	}
	body, err := record.DecodeBody(e.Body)
	if err != nil {
		return err
	}
	aside := append([]byte{rowAside}, key[1:]...)
	// The old position keeps naming a row: the one aside.
	if err := errors.Join(b.set(aside, row), b.set(positionKey(binary.BigEndian.Uint64(row)), aside)); err != nil {
		return err
	}
	if err := b.drop(key); err != nil {
		return err
	}
	if planted.RetryNewID {
		body.ID = record.NewID(b.l.o.Wall())
		body.Incident, body.Payload.Report = body.ID, body.ID
		if e.Body, err = body.Encode(); err != nil {
			return err
		}
	}
	res, err := b.append(&Append{Lane: c.lane, Body: body}, bytes.Clone(e.Body))
	if err != nil {
		return err
	}
	if body.Kind != record.KindReport {
		return nil
	}
	s, ok, err := b.Once(body.Payload.Report)
	if err != nil || !ok {
		return err
	}
	s.Incarnation, s.Lane, s.Seq, s.Hash = res.Link.Incarnation, res.Link.Lane, res.Link.Seq, res.Hash
	b.once[body.Payload.Report] = s
	return b.set(idKey(rowOnce, body.Payload.Report[:]), s.encode())
}
