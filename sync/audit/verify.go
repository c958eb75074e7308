package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/record"
)

// Options of a verification.
type Options struct {
	// Pin is the key that the city published. Without it an export is held to the key
	// that it brings along, and nothing says whose that is.
	Pin Pin
	// Earlier are checkpoints of this log that the auditor kept: an export of the whole log
	// must have grown out of each of them.
	Earlier [][]byte
	// Progress is told from time to time how many entries were read.
	Progress func(entries uint64)
}

// Result says what was proven.
type Result struct {
	// Incident is the incident that the export is about; zero for the whole log.
	Incident record.ID
	Entries  uint64
	Chains   int
	// Checkpoints, Receipts and Nodes are how many of them were verified.
	Checkpoints, Receipts, Nodes uint64
	// Checkpoint is the last one: all entries are in the tree of which it tells.
	Checkpoint Checkpoint
	Key        Key
	// Pinned says that the key is the one that the auditor knew beforehand.
	Pinned bool
	// Successions is how many keys the log had before Key; Since, how many came after the one
	// that the auditor knew.
	Successions, Since int
	// Files are those of the archive, for evidence.
	Files int
	// Notices are what is no fault and must be seen: lives of a station whose
	// predecessor the city holds otherwise. At most maxNotices; More counts the others.
	Notices []string
	More    int
}

// maxNotices bounds what is listed.
const maxNotices = 100

func (r *Result) notice(format string, a ...any) {
	if len(r.Notices) >= maxNotices {
		r.More++
		return
	}
	r.Notices = append(r.Notices, fmt.Sprintf(format, a...))
}

// Verify reads an export once, front to back. An error that is a *Fault says
// what is wrong with it; another one, that it could not be read to the end.
func Verify(ctx context.Context, r io.Reader, o Options) (*Result, error) {
	v := &verifier{o: o, f: newFrames(r), nodes: map[string][]ed25519Key{}, chains: map[record.ChainID]*chain{}}
	err := v.run(ctx)
	if err != nil {
		return nil, v.fault(err)
	}
	return &v.res, nil
}

// chain is what is remembered of a chain.
type chain struct {
	seq   record.Seq
	index uint64 // of the entry seq
	hash  record.Hash
	hlc   record.HLC
}

type ed25519Key = []byte

// stage says which frames may come; they only go on.
type stage int

const (
	atKey stage = iota
	atStatements
	atEntries // in the whole log: entries, and checkpoints at their places
	atProof   // one incident: the proof of the entry before
	atReceipt // one incident: the receipt of the entry before
	atReceipts
	atEnd
)

type verifier struct {
	o      Options
	f      *frames
	res    Result
	stage  stage
	single bool // one incident
	keys   []Key
	// successions are the notes that lead from each key to the next; gen is the key that
	// signs at the place that was read.
	successions [][]byte
	gen         int
	settled     bool
	nodes       map[string][]ed25519Key
	last        string // statement, for their order
	chains      map[record.ChainID]*chain
	tree        Range
	good        uint64 // the whole log: the size of the last checkpoint that matched
	whole       bool   // the whole log: a checkpoint stands after the last entry
	counts      [4]uint64
	early       map[uint64][]Checkpoint

	entry    Entry // the one before, for its proof and receipt; one incident
	leaf     tlog.Hash
	order    record.ChainID // of the last receipt, for their order
	ordered  bool
	body     record.ID
	readable bool // entry and body say which entry is being read
}

// errWrong is a fault whose place the verifier fills in.
type errWrong struct {
	what        string
	err         error
	first, last uint64
	entry       bool // the entry being read is at fault
}

func (e *errWrong) Error() string { return e.what }

func wrong(format string, a ...any) error { return &errWrong{what: fmt.Sprintf(format, a...)} }

func wrongBy(err error, format string, a ...any) error {
	return &errWrong{what: fmt.Sprintf(format, a...), err: err}
}

func wrongEntry(format string, a ...any) error {
	return &errWrong{what: fmt.Sprintf(format, a...), entry: true}
}

// fault gives an error its place in the file and the log.
func (v *verifier) fault(err error) error {
	f := &Fault{Offset: v.f.begun}
	var w *errWrong
	switch {
	case errors.Is(err, ErrNewer) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &w):
		f.What, f.err, f.First, f.Last = w.what, w.err, w.first, w.last
		if w.entry {
			f.First = v.entry.Index
			if v.readable {
				f.Chain, f.Seq, f.Entry = v.entry.Link.Chain(), v.entry.Link.Seq, v.body
			}
		}
	case errors.Is(err, ErrForm):
		f.What = err.Error()
		if v.stage == atEntries && !v.single {
			f.What += fmt.Sprintf("; %d entries before it are whole", v.counts[2])
		}
	default:
		return err // the disk, not the file
	}
	return f
}

func (v *verifier) run(ctx context.Context) error {
	for v.stage < atEnd {
		if v.counts[2]&0xfff == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if v.o.Progress != nil && v.counts[2] > 0 {
				v.o.Progress(v.counts[2])
			}
		}
		kind, content, err := v.f.next()
		if err == io.EOF {
			return fmt.Errorf("%w: it ends early; the rest of the export is missing", ErrForm)
		}
		if err != nil {
			return err
		}
		if err := v.frame(kind, content); err != nil {
			return err
		}
	}
	if _, err := v.f.r.ReadByte(); err == nil {
		v.f.begun = v.f.at
		return wrong("something stands behind the end of the export")
	} else if err != io.EOF {
		return err
	}
	return nil
}

func (v *verifier) frame(kind byte, content []byte) error {
	if v.stage == atStatements && kind != frameSuccession {
		if err := v.settle(); err != nil {
			return err
		}
	}
	switch {
	case kind == frameSuccession && v.stage == atStatements && !v.settled:
		return v.succeeds(content)
	case kind == frameKey && v.stage == atKey:
		return v.key(content)
	case kind == frameStatement && v.stage == atStatements && !v.single:
		return v.statement(content)
	case kind == frameIncident && v.stage == atStatements:
		return v.incident(content)
	case kind == frameCheckpoint && (v.stage == atStatements || v.stage == atEntries):
		return v.checkpoint(content)
	case kind == frameEntry && (v.stage == atStatements && !v.single || v.stage == atEntries):
		return v.take(content)
	case kind == frameProof && v.stage == atProof:
		return v.proof(content)
	case kind == frameReceipt && v.stage == atReceipt:
		return v.receiptOfEntry(content)
	case kind == frameReceipt && (v.stage == atEntries && !v.single && v.whole || v.stage == atReceipts):
		return v.receipt(content)
	case kind == frameEnd && (v.stage == atEntries || v.stage == atReceipts):
		return v.end(content)
	}
	return fmt.Errorf("%w: a part %q does not belong there", ErrForm, kind)
}

func (v *verifier) key(content []byte) error {
	k, err := NewKey(content)
	if err != nil {
		return wrongBy(err, "the key of the log")
	}
	v.keys = []Key{k}
	v.stage = atStatements
	return nil
}

func (v *verifier) statement(content []byte) error {
	st, err := v.res.Key.openStatement(content)
	if err != nil {
		return wrongBy(err, "what the log says about a node's key")
	}
	if v.counts[0]++; v.counts[0] > maxStatements {
		return wrong("more than %d keys of nodes", maxStatements)
	}
	if string(content) <= v.last {
		return wrong("the key of %s stands there twice, or in another order", st.Node)
	}
	v.last = string(content)
	v.nodes[st.Node] = append(v.nodes[st.Node], ed25519Key(st.Key))
	v.res.Nodes++
	return nil
}

func (v *verifier) incident(content []byte) error {
	if v.single || len(content) != len(v.res.Incident) {
		return fmt.Errorf("%w: the id of the incident", ErrForm)
	}
	copy(v.res.Incident[:], content)
	if v.res.Incident.Zero() {
		return wrong("the proof is about no incident")
	}
	v.single, v.gen = true, len(v.keys)-1
	return nil
}

func (v *verifier) checkpoint(content []byte) error {
	c, err := v.keys[v.gen].OpenCheckpoint(content, v.keys[max(v.gen-1, 0):v.gen]...)
	if err != nil {
		return wrongBy(err, "a checkpoint")
	}
	v.counts[1]++
	v.res.Checkpoints++
	if v.single {
		if v.stage != atStatements {
			return fmt.Errorf("%w: a second checkpoint", ErrForm)
		}
		for _, list := range v.early {
			for _, e := range list {
				if e.Size == c.Size && e.Root != c.Root {
					return wrong("the checkpoint of %d entries is another one than you gave: the city's log was rewritten", c.Size)
				}
			}
		}
	} else {
		if v.counts[1] > 1 && c.Size <= v.good || c.Size < v.tree.Size() {
			return wrong("a checkpoint of %d entries stands behind entry %d", c.Size, v.tree.Size())
		}
		if c.Size > v.tree.Size() {
			return &errWrong{what: fmt.Sprintf("missing: the checkpoint that follows counts %d entries, the export has %d so far", c.Size, v.tree.Size()),
				first: v.tree.Size() + 1, last: c.Size}
		}
		if v.tree.Root() != c.Root {
			return &errWrong{what: fmt.Sprintf("one or more were changed, and the chains made to fit: they do not give the root that the city signed at %s for %d entries", c.time(), c.Size),
				first: v.good + 1, last: max(c.Size, 1)}
		}
		v.good, v.whole = c.Size, true
	}
	v.res.Checkpoint = c
	v.stage = atEntries
	return nil
}

func (v *verifier) end(content []byte) error {
	if len(content) != 8*len(v.counts) {
		return fmt.Errorf("%w: its end", ErrForm)
	}
	for i, what := range []string{"keys of nodes", "checkpoints", "entries", "receipts"} {
		if n := binary.BigEndian.Uint64(content[8*i:]); n != v.counts[i] {
			return wrong("the export was written with %d %s and has %d", n, what, v.counts[i])
		}
	}
	switch {
	case v.gen < len(v.successions):
		return wrong("the export names %d keys that follow the first; its entries bring %d of them", len(v.successions), v.gen)
	case v.counts[1] == 0 || !v.single && !v.whole:
		return wrong("no checkpoint stands after the last entry, so nothing proves that it was in the city's log")
	case v.single && v.counts[2] == 0:
		return wrong("no entry about the incident")
	case v.single && v.counts[3] != v.counts[2]:
		return wrong("%d entries and %d receipts; each entry has one", v.counts[2], v.counts[3])
	case !v.single && v.counts[3] != uint64(len(v.chains)):
		return wrong("%d chains and %d receipts; each chain has one", len(v.chains), v.counts[3])
	}
	if !v.single {
		if err := v.earlierLeft(); err != nil {
			return err
		}
	}
	v.res.Entries, v.res.Receipts, v.res.Chains = v.counts[2], v.counts[3], len(v.chains)
	v.stage = atEnd
	return nil
}

// earlierAt holds the tree to what the auditor kept of this size.
func (v *verifier) earlierAt() error {
	list, ok := v.early[v.tree.Size()]
	if !ok {
		return nil
	}
	for _, c := range list {
		if c.Root != v.tree.Root() {
			return &errWrong{what: fmt.Sprintf("they do not give the root of the checkpoint of %d entries that you gave, signed at %s: the city's log was rewritten", c.Size, c.time()),
				first: v.good + 1, last: c.Size}
		}
	}
	delete(v.early, v.tree.Size())
	return nil
}

func (v *verifier) earlierLeft() error {
	delete(v.early, 0)
	for size := range v.early {
		return wrong("the earlier checkpoint that you gave counts %d entries, the export %d: the city's log was cut, or the export is the older one", size, v.tree.Size())
	}
	return nil
}
