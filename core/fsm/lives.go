package fsm

import (
	"encoding/binary"
	"fmt"

	"wardline/sync/record"
)

// What the city knows of a station's lives: each incarnation names what was
// last on disk before it. From that follows what became of the disk:
//
//   - A predecessor that is shorter than what the city holds, or that another
//     incarnation went on from already: the disk was rolled back, or copied.
//   - New entries of a life after another one took its place: both disks live,
//     it is a clone. A rolled-back disk never writes to its lost lives again.
//
// A station names as predecessor only a life that began on its own disk.

// next says from which seq of a chain another incarnation went on, and which.
func (b *batch) next(c record.ChainID) (at record.Seq, by record.Incarnation, ok bool, err error) {
	v, err := get(b.tx, chainKey(rowNext, c))
	if err != nil || v == nil {
		return 0, 0, false, err
	}
	if len(v) != 16 {
		return 0, 0, false, errRow
	}
	return record.Seq(binary.BigEndian.Uint64(v)), record.Incarnation(binary.BigEndian.Uint64(v[8:])), true, nil
}

func (b *batch) setNext(c record.ChainID, at record.Seq, by record.Incarnation) error {
	return b.set(chainKey(rowNext, c), u64(u64(nil, uint64(at)), uint64(by)))
}

// beginning looks at the first entry of a chain. The first life of a disk names
// nothing (the zero chain): a second one that does so began on an empty disk.
func (b *batch) beginning(id record.ChainID, l record.Link) error {
	before := record.ChainID{Origin: id.Origin, Incarnation: l.Pred.Incarnation, Lane: l.Pred.Lane}
	held, err := b.chain(before)
	if err != nil {
		return err
	}
	at, by, named, err := b.next(before)
	if err != nil {
		return err
	}
	other := named && by != id.Incarnation
	lacked := record.Seq(0) // of the same life in this lane, to which the disk says it wrote nothing
	if same := (record.ChainID{Origin: id.Origin, Incarnation: before.Incarnation, Lane: id.Lane}); same != before && l.Pred.Seq > 0 {
		c, err := b.chain(same)
		if err != nil {
			return err
		}
		lacked = c.seq
		if err := b.setNext(same, 0, id.Incarnation); err != nil {
			return err
		}
	}
	switch {
	case held.seq > l.Pred.Seq || lacked > 0:
		err = b.alarm("rollback", id, fmt.Sprintf("the disk of %s ended at %d of life %s where the city holds %d: it was restored from an older image, or copied",
			id.Origin, l.Pred.Seq, before.Incarnation, max(held.seq, lacked)))
	case other:
		err = b.alarm("rollback", id, fmt.Sprintf("the disk of %s ended before its life %s, which the city holds: it was restored from an older image, or copied",
			id.Origin, by))
	}
	if err != nil {
		return err
	}
	if other {
		if err := b.supersede(id.Origin, by, id.Incarnation); err != nil {
			return err
		}
	}
	if named {
		at = min(at, l.Pred.Seq)
	} else {
		at = l.Pred.Seq
	}
	return b.setNext(before, at, id.Incarnation)
}

// maxLives bounds how far lives are followed that began after an image was
// taken: one per start of a process.
const maxLives = 10_000

// supersede notes that the last life that followed `old` has no more to say.
func (b *batch) supersede(o record.Origin, old, by record.Incarnation) error {
	for range maxLives {
		tip := true
		for lane := record.Urgent; lane <= record.Telemetry && tip; lane++ {
			at, n, ok, err := b.next(record.ChainID{Origin: o, Incarnation: old, Lane: lane})
			if err != nil {
				return err
			}
			if ok && at > 0 && n != by {
				old, tip = n, false
			}
		}
		if tip {
			break
		}
	}
	for lane := record.Urgent; lane <= record.Telemetry; lane++ {
		if err := b.setNext(record.ChainID{Origin: o, Incarnation: old, Lane: lane}, 0, by); err != nil {
			return err
		}
	}
	return nil
}

// goesOn looks at a chain that has new entries up to seq.
func (b *batch) goesOn(id record.ChainID, seq record.Seq) error {
	at, by, ok, err := b.next(id)
	if err != nil || !ok || seq <= at {
		return err
	}
	return b.alarm("clone", id, fmt.Sprintf("two disks of %s are at work: life %s goes on after life %s took its place", id.Origin, id.Incarnation, by))
}
