package audit

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/record"
)

// Entry is an entry as the city lists it.
type Entry struct {
	// Index is its place in the city's order, from 1.
	Index uint64
	// Listed is its kind, or record.KindRepeat.
	Listed record.Kind
	record.Entry
}

// Leaf is the entry's leaf in the Merkle tree.
func (e *Entry) Leaf() tlog.Hash { return Leaf(e.Hash(), e.Listed) }

// Writer writes an export. The order of calls is that of FORMAT.md; after an
// error nothing more is written and Close gives the error.
type Writer struct {
	w      *bufio.Writer
	buf    []byte
	err    error
	counts [4]uint64 // statements, checkpoints, entries, receipts
	tree   Range
	heads  map[record.ChainID]head
}

type head struct {
	seq  record.Seq
	hash record.Hash
}

func newWriter(w io.Writer, key Key, statements, successions [][]byte) *Writer {
	x := &Writer{w: bufio.NewWriterSize(w, 64<<10), heads: map[record.ChainID]head{}}
	first := magic
	if len(successions) > 0 {
		first = magicSuccession
	}
	_, x.err = x.w.WriteString(first)
	x.frame(frameKey, key.public)
	for _, s := range successions {
		x.frame(frameSuccession, s)
	}
	statements = slices.Clone(statements)
	slices.SortFunc(statements, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	for _, s := range slices.CompactFunc(statements, slices.Equal) {
		x.counts[0]++
		x.frame(frameStatement, s)
	}
	return x
}

// NewLog begins an export of the whole log. key is the first that the log had, successions are
// the notes of Signer.Succeed in their order, statements those of the last key's StateKey.
func NewLog(w io.Writer, key Key, statements [][]byte, successions ...[]byte) *Writer {
	return newWriter(w, key, statements, successions)
}

// NewIncident begins an export of one incident's entries, proven by one checkpoint.
func NewIncident(w io.Writer, key Key, statements [][]byte, id record.ID, checkpoint []byte, successions ...[]byte) *Writer {
	x := newWriter(w, key, statements, successions)
	x.frame(frameIncident, id[:])
	x.Checkpoint(checkpoint)
	return x
}

func (x *Writer) frame(kind byte, content []byte) {
	if x.err != nil {
		return
	}
	x.buf = appendFrame(x.buf[:0], kind, content)
	_, x.err = x.w.Write(x.buf)
}

// Add writes the next entry.
func (x *Writer) Add(e *Entry) {
	hash := e.Hash()
	leaf := Leaf(hash, e.Listed)
	x.tree.Add(leaf)
	c := e.Link.Chain()
	if _, known := x.heads[c]; !known && len(x.heads) >= maxChains {
		x.fail(fmt.Errorf("audit: more than %d chains", maxChains))
		return
	}
	x.heads[c] = head{e.Link.Seq, hash}
	b := make([]byte, 0, entryHead+record.LinkSize+8+len(e.Body))
	b = binary.BigEndian.AppendUint64(b, e.Index)
	b = append(append(b, byte(e.Listed)), leaf[:]...)
	x.counts[2]++
	x.frame(frameEntry, e.Append(b))
}

// Proof writes that the entry before is in the checkpoint's tree.
func (x *Writer) Proof(p tlog.RecordProof) {
	b := make([]byte, 0, len(p)*tlog.HashSize)
	for _, h := range p {
		b = append(b, h[:]...)
	}
	x.frame(frameProof, b)
}

// Checkpoint writes a checkpoint: in the whole log at its place, after the entry
// that is its last.
func (x *Writer) Checkpoint(note []byte) {
	x.counts[1]++
	x.frame(frameCheckpoint, note)
}

// Receipt writes a node's receipt.
func (x *Writer) Receipt(r *record.Receipt) {
	x.counts[3]++
	x.frame(frameReceipt, r.Append(nil))
}

// Receipts writes a receipt for the head of each chain, as sign makes it.
func (x *Writer) Receipts(sign func(c record.ChainID, seq record.Seq, hash record.Hash) record.Receipt) {
	all := make([]record.ChainID, 0, len(x.heads))
	for c := range x.heads {
		all = append(all, c)
	}
	slices.SortFunc(all, compareChains)
	for _, c := range all {
		r := sign(c, x.heads[c].seq, x.heads[c].hash)
		x.Receipt(&r)
	}
}

func compareChains(a, b record.ChainID) int {
	if c := strings.Compare(string(a.Origin), string(b.Origin)); c != 0 {
		return c
	}
	if a.Incarnation != b.Incarnation {
		if a.Incarnation < b.Incarnation {
			return -1
		}
		return 1
	}
	return int(int64(a.Lane) - int64(b.Lane))
}

// Size is how many entries were written.
func (x *Writer) Size() uint64 { return x.tree.Size() }

// Root is the root of the tree over the entries that were written, if those are the whole log.
func (x *Writer) Root() tlog.Hash { return x.tree.Root() }

func (x *Writer) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// Flush hands on what was written so far.
func (x *Writer) Flush() error {
	if x.err == nil {
		x.err = x.w.Flush()
	}
	return x.err
}

// Close ends the export.
func (x *Writer) Close() error {
	b := make([]byte, 0, 32)
	for _, n := range x.counts {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	x.frame(frameEnd, b)
	return x.Flush()
}
