package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// headsName is the side file with the head of each chain. A flipped bit in a
// memtable's file makes Badger drop everything behind it without a word; this
// file, written apart from the store, still knows how far the chains went.
const headsName = "heads.json"

type headsFile struct {
	Version int       `json:"version"`
	Heads   []headRow `json:"heads"`
}

type headRow struct {
	Incarnation uint64      `json:"incarnation"`
	Lane        uint32      `json:"lane"`
	Seq         uint64      `json:"seq"`
	Hash        record.Hash `json:"hash"`
}

// writeHeads writes the side file: temporary, synced, renamed, folder synced.
func (l *Ledger) writeHeads() error {
	f := headsFile{Version: 1}
	for _, c := range l.Chains() {
		f.Heads = append(f.Heads, headRow{uint64(c.Head.Incarnation), uint32(c.Head.Lane), uint64(c.Head.Seq), c.Head.Hash})
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := filepath.Join(l.o.Dir, headsName)
	if old, err := os.ReadFile(path); err == nil && string(old) == string(b) {
		return nil
	}
	tmp, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(l.o.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// walkBack is how many bytes of blocks are proved at the start: more than all
// unflushed memtables can hold.
const walkBack = 4 * memTable

// proveTail compares the heads with the side file and walks the chains back.
func (l *Ledger) proveTail() error {
	raw, err := os.ReadFile(filepath.Join(l.o.Dir, headsName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		var f headsFile
		if err := json.Unmarshal(raw, &f); err != nil {
			l.o.Log.Error("the side file with the chains' heads is damaged and proves nothing this time", "err", err)
		}
		for _, h := range f.Heads {
			c := l.chains[chainName{record.Incarnation(h.Incarnation), record.LaneID(h.Lane)}]
			have := record.Seq(0)
			if c != nil {
				have = c.Seq
			}
			if uint64(have) < h.Seq {
				l.cut(record.Incarnation(h.Incarnation), record.LaneID(h.Lane), have, record.Seq(h.Seq))
			}
		}
	}
	return l.db.View(func(tx *badger.Txn) error {
		since, proved, err := l.backBy(tx, walkBack)
		if err != nil {
			return err
		}
		for name, c := range l.chains {
			p, ok := proved[name]
			if !ok || p.odd {
				p = &back{want: c.Hash, seq: c.Seq}
			}
			if err := l.walk(tx, c, p.want, p.seq, since); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Ledger) cut(inc record.Incarnation, lane record.LaneID, have, had record.Seq) {
	cut := Cut{record.ChainID{Origin: l.o.Origin, Incarnation: inc, Lane: lane}, have, had}
	l.found.Cuts = append(l.found.Cuts, cut)
	l.o.Log.Error("ALARM: the disk lost synced entries; what the city holds of them comes back by the downlink",
		"incarnation", inc.String(), "lane", lane.String(), "have", have, "had", had)
}

// back is how far a chain was followed back from its head: the entry that must come next.
type back struct {
	want record.Hash
	seq  record.Seq
	odd  bool // it does not stand in order, or not whole: it is to be walked from its head, by its ranges
}

// backBy follows all chains back at once through the newest blocks that have so many bytes together; since is
// the first position of them. Looking each range up costs some 80 µs, and reports that came one by one have one each.
func (l *Ledger) backBy(tx *badger.Txn, bytes int64) (since uint64, chains map[chainName]*back, err error) {
	chains = make(map[chainName]*back, len(l.chains))
	for name, c := range l.chains {
		chains[name] = &back{want: c.Hash, seq: c.Seq}
	}
	opt := badger.DefaultIteratorOptions
	opt.Reverse, opt.PrefetchValues, opt.Prefix = true, false, []byte{rowBlock}
	it := tx.NewIterator(opt)
	defer it.Close()
	var own [][]byte
	for it.Seek(blockKey(math.MaxUint64)); it.Valid() && bytes > 0; it.Next() {
		since = binary.BigEndian.Uint64(it.Item().Key()[1:])
		bytes -= it.Item().ValueSize()
		err := it.Item().Value(func(v []byte) error {
			v, err := unpack(since, v)
			if err != nil {
				return err
			}
			r, err := readBlock(since, v)
			for own = own[:0]; err == nil; {
				var raw []byte
				if raw, _, err = r.raw(); raw == nil {
					break
				}
				if raw[0]&flagForeign == 0 {
					own = append(own, raw)
				}
			}
			for _, raw := range slices.Backward(own) {
				name, seq := chainOf(raw)
				if c := chains[name]; c != nil && err == nil {
					err = c.follow(raw, seq)
				}
			}
			return err
		})
		switch {
		case errors.Is(err, errRow):
			for _, c := range chains {
				c.odd = true
			}
			return since, chains, nil
		case err != nil:
			return since, nil, err
		}
	}
	return since, chains, nil
}

// follow takes the next older entry of a chain. Those behind its head were put aside.
func (c *back) follow(raw []byte, seq record.Seq) error {
	if c.odd || seq > c.seq {
		return nil
	}
	h, err := decodeHeld(raw, place{})
	if err != nil {
		return errors.Join(errRow, err)
	}
	if seq < c.seq || h.entry.Hash() != c.want {
		c.odd = true
		return nil
	}
	c.want, c.seq = h.entry.Link.Prev, seq-1
	return nil
}

// walk checks a chain from the entry seq, whose hash is want, back to the position since, and at least
// the range that seq stands in. At a hole the head is moved back to before it, and the cut is named.
func (l *Ledger) walk(tx *badger.Txn, c *chainRow, want record.Hash, seq record.Seq, since uint64) error {
	name := chainName{c.Inc, c.Lane}
	for seq > 0 {
		r, ok, err := rangeOf(tx, name, seq)
		if err != nil {
			return err
		}
		var list []record.Entry
		if ok {
			if list, err = l.ownEntries(tx, name, r, seq); err != nil {
				return err
			}
		}
		if len(list) == 0 || list[len(list)-1].Link.Seq != seq {
			return l.mend(tx, c, seq)
		}
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].Link.Seq != seq || list[i].Hash() != want {
				return l.mend(tx, c, seq)
			}
			want, seq = list[i].Link.Prev, seq-1
		}
		if seq >= r.first {
			return l.mend(tx, c, seq)
		}
		if r.block < since {
			return nil
		}
	}
	return nil
}

// rangeOf is the range of a chain that holds a seq.
func rangeOf(tx *badger.Txn, c chainName, seq record.Seq) (r chainRange, ok bool, err error) {
	err = eachRange(tx, c, seq, func(found chainRange) error {
		r, ok = found, found.first <= seq
		return errStop
	})
	return r, ok, err
}

// ownEntries are the entries of a range up to a seq that can be read, in order; what is
// damaged ends them.
func (l *Ledger) ownEntries(tx *badger.Txn, c chainName, r chainRange, upTo record.Seq) (out []record.Entry, err error) {
	_, err = l.eachHeld(tx, r.block, func(raw []byte, at place) error {
		if name, seq := chainOf(raw); name != c || seq < r.first || seq > upTo {
			return nil
		}
		h, err := decodeHeld(slices.Clone(raw), at)
		if err != nil {
			return errStop
		}
		out = append(out, h.entry)
		return nil
	})
	if errors.Is(err, errRow) {
		err = nil
	}
	return out, err
}

// mend finds the longest whole front of the chain below a broken entry. The
// rows behind it stay where they are; their bodies come back from the city.
func (l *Ledger) mend(tx *badger.Txn, c *chainRow, broken record.Seq) error {
	had, name := c.Seq, chainName{c.Inc, c.Lane}
	var before []chainRange
	err := eachRange(tx, name, 0, func(r chainRange) error {
		if r.first >= broken {
			return errStop
		}
		before = append(before, r)
		return nil
	})
	if err != nil {
		return err
	}
	c.Seq, c.Hash = 0, record.Hash{}
	for i := len(before) - 1; i >= 0 && c.Seq == 0; i-- {
		list, err := l.ownEntries(tx, name, before[i], broken-1)
		if err != nil {
			return err
		}
		if n := len(list); n > 0 {
			c.Seq, c.Hash = list[n-1].Link.Seq, list[n-1].Hash()
		}
	}
	l.cut(c.Inc, c.Lane, c.Seq, had)
	return nil
}
