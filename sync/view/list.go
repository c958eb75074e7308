package view

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// listKey is a row's place in its list; nil for none.
func (r *Row) listKey() []byte {
	if r == nil {
		return nil
	}
	prefix := closeKey
	if r.Open {
		prefix = openKey
	}
	k := binary.BigEndian.AppendUint64(append(make([]byte, 0, keySize), prefix...), ^uint64(max(r.ReceivedAt, 0))) // newest first
	return append(k, r.ID[:]...)
}

// keySize is the length of a place in a list: prefix, time, id.
const keySize = 2 + 8 + 16

// Query narrows a list. Zero values ask for everything.
type Query struct {
	Status string        // one of record.Statuses, or "open"
	Unit   record.UnitID // told of it
	Since  int64         // received at or after, milliseconds since the Unix epoch, UTC
	Before int64         // received before; of closed ones alone (Status), without a cursor
	Limit  int
	Cursor []byte // Next of the page before
}

// Page is a part of a list, newest report first. Next is nil at the end.
type Page struct {
	Rows []Row
	Next []byte
}

// maxScan bounds how many rows one query looks at, so that a rare filter over
// millions of incidents costs one answer many pages instead of one core a
// minute; such a page may hold fewer rows than asked, and has a Next.
const maxScan = 20_000

// List answers a query. A cursor is the place of the last row of the page before.
func (v *View) List(q Query) (Page, error) {
	lists := [][]byte{openKey, closeKey}
	switch q.Status {
	case "":
	case "closed":
		lists = lists[1:]
	default:
		lists = lists[:1]
	}
	if q.Cursor != nil && (len(q.Cursor) != keySize || !slices.ContainsFunc(lists, func(l []byte) bool { return bytes.HasPrefix(q.Cursor, l) })) {
		return Page{}, ErrCursor
	}
	if q.Before > 0 && q.Cursor == nil && q.Status == "closed" {
		q.Cursor = binary.BigEndian.AppendUint64(slices.Clone(closeKey), ^uint64(q.Before-1))
		q.Cursor = append(q.Cursor, make([]byte, keySize-len(q.Cursor))...)
	}
	var p Page
	err := v.db.View(func(tx *badger.Txn) error {
		var its []*badger.Iterator
		for _, l := range lists {
			opt := badger.DefaultIteratorOptions
			opt.PrefetchValues = false
			opt.Prefix = l
			it := tx.NewIterator(opt)
			defer it.Close()
			it.Seek(append(slices.Clone(l), q.Cursor[min(len(q.Cursor), 2):]...))
			its = append(its, it)
		}
		bundles := &places{}
		if q.Status != "closed" {
			bundles = bundlePlaces(tx, q.Cursor)
			defer bundles.it.Close()
		}
		scanned := 0
		var last []byte
		for {
			next, err := nextPlace(its, bundles)
			if err != nil || next.key == nil {
				return err
			}
			if q.Cursor != nil && bytes.Equal(next.key[2:], q.Cursor[2:]) {
				continue
			}
			if len(p.Rows) == q.Limit || scanned == maxScan {
				p.Next = last
				return nil
			}
			scanned++
			last = next.key
			if q.Since > 0 && int64(^binary.BigEndian.Uint64(next.key[2:10])) < q.Since {
				return nil // older ones follow
			}
			r, err := next.row(tx)
			if err != nil {
				return err
			}
			if r != nil && q.matches(r) {
				r.bundle = tail{}
				p.Rows = append(p.Rows, *r)
			}
		}
	})
	return p, err
}

// nextPlace takes the newest of the places that are next; one without a key at the end.
func nextPlace(its []*badger.Iterator, bundles *places) (next place, err error) {
	if bundles.it != nil {
		b, err := bundles.peek()
		if err != nil {
			return place{}, err
		}
		if b != nil {
			next = *b
		}
	}
	var from *badger.Iterator
	for _, it := range its {
		if !it.Valid() {
			continue
		}
		key := it.Item().Key()
		if len(key) != keySize {
			return place{}, errRow
		}
		if next.key == nil || bytes.Compare(key[2:], next.key[2:]) < 0 {
			next, from = place{key: it.Item().KeyCopy(nil)}, it
		}
	}
	switch {
	case from != nil:
		from.Next()
	case next.key != nil:
		bundles.pop()
	}
	return next, nil
}

// ErrCursor says that a cursor is not from this list.
var ErrCursor = errors.New("cursor is not one that this list gave; start again without it")

func (q *Query) matches(r *Row) bool {
	if q.Status != "" && q.Status != "open" && q.Status != r.Status {
		return false
	}
	_, told := r.told(q.Unit)
	return q.Unit == "" || r.Lead == q.Unit || told
}
