package ledger

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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

// walkBack is how many entries of each chain are proved at the start: more
// than all unflushed memtables can hold.
const walkBack = 20_000

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
		for _, c := range l.chains {
			if err := l.walk(tx, c); err != nil {
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

// walk checks the last entries of a chain against each other and the head. At
// a hole the head is moved back to before it, and the cut is named.
func (l *Ledger) walk(tx *badger.Txn, c *chainRow) error {
	want := c.Hash
	for n, seq := 0, c.Seq; seq > 0 && n < walkBack; n, seq = n+1, seq-1 {
		v, err := get(tx, entryKey(rowEntry, c.Inc, c.Lane, seq))
		if err != nil {
			return err
		}
		var e record.Entry
		if v != nil {
			e, _, err = record.DecodeEntry(v[min(8, len(v)):])
		}
		if v == nil || err != nil || e.Hash() != want {
			return l.mend(tx, c, seq)
		}
		want = e.Link.Prev
	}
	return nil
}

// mend finds the longest whole front of the chain below a broken entry. The
// rows behind it stay where they are; their bodies come back from the city.
func (l *Ledger) mend(tx *badger.Txn, c *chainRow, broken record.Seq) error {
	had := c.Seq
	for seq := broken - 1; seq > 0; seq-- {
		v, err := get(tx, entryKey(rowEntry, c.Inc, c.Lane, seq))
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		e, _, err := record.DecodeEntry(v[min(8, len(v)):])
		if err != nil {
			continue
		}
		c.Seq, c.Hash = seq, e.Hash()
		l.cut(c.Inc, c.Lane, seq, had)
		return nil
	}
	c.Seq, c.Hash = 0, record.Hash{}
	l.cut(c.Inc, c.Lane, 0, had)
	return nil
}
