package fsm

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"wardline/sync/record"
)

// What the city knows of a station's lives. A disk lives one life after another,
// and each names the one that was last on disk before it (its parent) and how far that
// went in each lane. From that follows what became of the disk, in whatever order the
// lives come, and although some never come:
//
//   - A parent that ends before what the city holds of it, a second child of one
//     parent, a child of a life that another one took the place of: the disk was rolled
//     back, or copied.
//   - The clock of a disk never goes back, whatever its wall says, so the lives of one
//     disk stand one behind the other. A life that stands between a parent and its child
//     is of another disk, or of this one before it was rolled back. That tells also when
//     what joins it to the others went with the disk.
//   - New entries of a life after another one took its place, or beyond where its child
//     went on: both disks live, it is a clone. A rolled-back disk never writes to its lost
//     lives again.
//
// What cannot be known: a lost life whose parent never came, when the restored disk's wall
// clock is behind as well; the station itself names it then (uplink.Store, Ahead).

// life is one incarnation of a station, as its first entry here told of it.
type life struct {
	inc    record.Incarnation
	parent record.Incarnation // 0: it began on an empty disk
	hlc    record.HLC         // of the entry that came first
	lost   bool               // another life took its place
}

// maxLives bounds how many lives of a station are looked at, the latest by
// clock; one per start of a process. An image older than all of them is noticed too: its
// life goes on where others stand.
const maxLives = 256

const lifeSize = 8 + 8 + 8 + 1

// lives reads an origin's lives, by clock.
func (b *batch) lives(o record.Origin) ([]life, error) {
	v, err := get(b.tx, originKey(rowLives, o))
	if err != nil {
		return nil, err
	}
	if len(v)%lifeSize != 0 || len(v) > maxLives*lifeSize {
		return nil, errRow
	}
	list := make([]life, 0, len(v)/lifeSize+1)
	for ; len(v) > 0; v = v[lifeSize:] {
		list = append(list, life{record.Incarnation(binary.BigEndian.Uint64(v)), record.Incarnation(binary.BigEndian.Uint64(v[8:])),
			record.HLC(binary.BigEndian.Uint64(v[16:])), v[24] == 1})
	}
	return list, nil
}

func (b *batch) setLives(o record.Origin, list []life) error {
	list = list[max(0, len(list)-maxLives):]
	v := make([]byte, 0, len(list)*lifeSize)
	for _, l := range list {
		v = u64(u64(u64(v, uint64(l.inc)), uint64(l.parent)), uint64(l.hlc))
		if l.lost {
			v = append(v, 1)
		} else {
			v = append(v, 0)
		}
	}
	return b.set(originKey(rowLives, o), v)
}

func find(list []life, inc record.Incarnation) int {
	return slices.IndexFunc(list, func(l life) bool { return l.inc == inc })
}

// held is how much of a chain the city holds.
func (b *batch) held(c record.ChainID) (record.Seq, error) {
	if have, ok := b.chains[c]; ok {
		return have.seq, nil
	}
	v, err := get(b.tx, chainKey(rowChain, c))
	if err != nil || v == nil {
		return 0, err
	}
	row, err := decodeChain(v)
	return row.seq, err
}

// heard says whether the city holds anything of a life.
func (b *batch) heard(o record.Origin, inc record.Incarnation) (bool, error) {
	for lane := record.Urgent; lane <= record.Telemetry; lane++ {
		if n, err := b.held(record.ChainID{Origin: o, Incarnation: inc, Lane: lane}); err != nil || n > 0 {
			return true, err
		}
	}
	return false, nil
}

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

// endAt notes that another incarnation went on from a seq of a chain; of two,
// the lower one counts.
func (b *batch) endAt(c record.ChainID, at record.Seq, by record.Incarnation) error {
	have, _, ok, err := b.next(c)
	if err != nil || (ok && have < at) {
		return err
	}
	return b.set(chainKey(rowNext, c), u64(u64(nil, uint64(at)), uint64(by)))
}

// beginning looks at the first entry of a chain.
func (b *batch) beginning(id record.ChainID, l record.Link) error {
	known, err := b.heard(id.Origin, id.Incarnation)
	if err != nil {
		return err
	}
	before := record.ChainID{Origin: id.Origin, Incarnation: l.Pred.Incarnation, Lane: l.Pred.Lane}
	if l.Pred.Seq > 0 {
		held, err := b.held(before)
		if err != nil {
			return err
		}
		if err := b.endAt(before, l.Pred.Seq, id.Incarnation); err != nil {
			return err
		}
		short := held > l.Pred.Seq
		if before.Lane != id.Lane { // the disk says that its last life wrote nothing to this lane
			before.Lane = id.Lane
			lacked, err := b.held(before)
			if err != nil {
				return err
			}
			if err := b.endAt(before, 0, id.Incarnation); err != nil {
				return err
			}
			short, held = short || lacked > 0, max(held, lacked)
		}
		if short {
			if err := b.alarm("rollback", id, fmt.Sprintf("the disk of %s ended at %d of life %s where the city holds %d: it was restored from an older image, or copied",
				id.Origin, l.Pred.Seq, before.Incarnation, held)); err != nil {
				return err
			}
		}
	}
	if known {
		return nil
	}
	return b.born(id, life{inc: id.Incarnation, parent: l.Pred.Incarnation, hlc: l.HLC})
}

// born takes in a life that was not heard before.
func (b *batch) born(id record.ChainID, x life) error {
	list, err := b.lives(id.Origin)
	if err != nil {
		return err
	}
	at, _ := slices.BinarySearchFunc(list, x, func(a, b life) int {
		return cmp.Or(cmp.Compare(a.hlc, b.hlc), cmp.Compare(a.inc, b.inc))
	})
	list = slices.Insert(list, at, x)
	old := false // the parent is heard, and no longer in the list
	if find(list, x.parent) < 0 && x.parent != 0 {
		if old, err = b.heard(id.Origin, x.parent); err != nil {
			return err
		}
	}
	if other, ok := beside(list, at, old); ok {
		if err := b.alarm("rollback", id, fmt.Sprintf("the disk of %s does not know of its life %s, which the city holds: it was restored from an older image, or copied",
			id.Origin, other)); err != nil {
			return err
		}
		for _, gone := range takeOver(list, at) {
			for lane := record.Urgent; lane <= record.Telemetry; lane++ {
				if err := b.endAt(record.ChainID{Origin: id.Origin, Incarnation: gone, Lane: lane}, 0, x.inc); err != nil {
					return err
				}
			}
		}
	}
	return b.setLives(id.Origin, list)
}

// beside gives a life that cannot have lived on one disk with list[at], if there
// is one. old says that the parent is heard although it is not in the list.
func beside(list []life, at int, old bool) (record.Incarnation, bool) {
	x := list[at]
	for _, o := range list {
		if o.inc != x.inc && o.parent == x.parent { // two children of one parent
			return o.inc, true
		}
	}
	if p := find(list, x.parent); p >= 0 && list[p].lost {
		for _, o := range slices.Backward(list) {
			if !o.lost && o.inc != x.inc {
				return o.inc, true
			}
		}
	}
	// Nothing stands between a parent and its child: not between our parent and us,
	// no more than between us and our child, nor we between any other two.
	for w, child := range list {
		p := find(list, child.parent)
		if child.lost || p > w || (p < 0 && child.parent != 0 && (w != at || !old)) {
			continue // its parent was not heard yet
		}
		for y := p + 1; y < w; y++ {
			switch {
			case list[y].lost:
			case y == at:
				return child.inc, true
			case w == at || p == at:
				return list[y].inc, true
			}
		}
	}
	return 0, false
}

// takeOver makes list[at] and its line the one that goes on, and gives the
// lives that are lost now: those that would stand behind its first known ancestor and are
// not of its line.
func takeOver(list []life, at int) (gone []record.Incarnation) {
	x := list[at]
	line := map[record.Incarnation]bool{x.inc: true}
	from := x.hlc // what is lost stands behind this
	for _, l := range list {
		if l.parent == x.parent && l.inc != x.inc {
			from = min(from, l.hlc-1)
		}
		if l.parent != 0 && line[l.parent] { // what began after it is of its line
			line[l.inc] = true
		}
	}
	for p := find(list, x.parent); p >= 0 && !line[list[p].inc]; p = find(list, list[p].parent) {
		line[list[p].inc] = true
		from = min(from, list[p].hlc)
	}
	if x.parent == 0 {
		from = 0 // nothing stands before it
	}
	for i := range list {
		l := &list[i]
		switch {
		case line[l.inc]:
			l.lost = false
		case l.hlc > from && !l.lost:
			l.lost = true
			gone = append(gone, l.inc)
		}
	}
	return gone
}

// goesOn looks at a chain that has new entries up to seq.
func (b *batch) goesOn(id record.ChainID, seq record.Seq) error {
	at, by, ok, err := b.next(id)
	if err != nil || !ok || seq <= at {
		return err
	}
	return b.alarm(record.AlarmClone, id, fmt.Sprintf("two disks of %s are at work: life %s goes on after life %s took its place", id.Origin, id.Incarnation, by))
}
