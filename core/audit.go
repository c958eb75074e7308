package core

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/core/fsm"
	"wardline/core/tree"
	"wardline/sync/api"
	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// maxExports bounds the exports that a node writes at one time: each reads the whole log.
const maxExports = 2

// exportPage is how many entries an export reads at a time.
const exportPage = 256

// proofs is what a node has to prove the city's log with. The log's key is derived
// from the authority's secret, so that all nodes sign with one key and none of them
// keeps it, and is followed by another when an administrator says so; the node's own key, which signs receipts, is stated by it.
type proofs struct {
	*tree.Tree
	keys  *logKeys
	turns chan struct{} // a token for each export that may be under way
}

// openProofs opens the tree over the city's log.
func (n *Node) openProofs() error {
	p := &proofs{turns: make(chan struct{}, maxExports), keys: &logKeys{file: n.c.authorityFile(), machine: n.machine, made: map[int]*audit.Signer{}}}
	if _, err := p.keys.key(1); err != nil {
		return err
	}
	if err := (audit.Statement{Node: n.c.ID, Key: n.sign.Public().(ed25519.PublicKey)}).Check(); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	var err error
	p.Tree, err = tree.Open(tree.Options{Dir: filepath.Join(n.c.Dir, "proof"), Log: leaves{n.machine}, Signer: p.keys, Wall: n.wall, Logger: n.log,
		Alarm: func(detail string) {
			n.line.raise(alarm{what: "log", origin: record.Origin(n.c.ID), detail: detail})
		}})
	if err == nil {
		n.proofs = p
	}
	return err
}

// leaves is the log as the tree reads it.
type leaves struct{ m *fsm.Machine }

func (l leaves) Position() uint64 { return l.m.CityIndex() }

func (l leaves) Leaves(after uint64, limit int) ([]tlog.Hash, error) {
	rows, err := l.m.Leaves(after, limit)
	out := make([]tlog.Hash, len(rows))
	for i, r := range rows {
		out[i] = audit.Leaf(r.Hash, r.Listed)
	}
	return out, err
}

// proven turns what the tree says into an answer.
func proven(err error) error {
	switch {
	case errors.Is(err, tree.ErrBehind):
		e := api.Problem(503, "behind", "", "%v; ask again", err)
		e.RetryAfter = 5
		return e
	case errors.Is(err, tree.ErrContradicted):
		return api.Problem(503, "log-contradicted", "", "%v", err)
	case errors.Is(err, tree.ErrRange):
		return api.Problem(400, "invalid-position", "", "%v", err)
	}
	return err
}

var _ api.Auditable = backend{}

func (b backend) LogKey() (audit.Key, [][]byte, [][]byte, error) {
	k, err := b.n.book(b.n.machine.CityIndex())
	if err != nil {
		return audit.Key{}, nil, nil, err
	}
	return k.signer.Key, k.statements, k.successions, nil
}

// Checkpoint is the last checkpoint that the node signed, or its first.
func (b backend) Checkpoint(ctx context.Context) (audit.Checkpoint, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	s, ok := b.n.proofs.Last()
	if !ok || b.n.proofs.Failed() != nil {
		var err error
		if s, err = b.n.proofs.Sign(ctx); err != nil {
			return audit.Checkpoint{}, nil, proven(err)
		}
	}
	return s.Checkpoint, s.Note, nil
}

func (b backend) Inclusion(ctx context.Context, index, size uint64) (leaf tlog.Hash, p tlog.RecordProof, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := b.read(ctx); err != nil { // another node may have signed a longer log
		return leaf, nil, err
	}
	leaf, p, err = b.n.proofs.Inclusion(ctx, index, size)
	return leaf, p, proven(err)
}

func (b backend) Consistency(ctx context.Context, from, to uint64) (tlog.TreeProof, error) {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	p, err := b.n.proofs.Consistency(ctx, from, to)
	return p, proven(err)
}

// exporting takes one of the turns; done gives it back.
func (b backend) exporting() (done func(), err error) {
	select {
	case b.n.proofs.turns <- struct{}{}:
		return func() { <-b.n.proofs.turns }, nil
	default:
		e := api.Problem(503, "busy", "", "this node writes %d exports already; ask again later, or ask another node", maxExports)
		e.RetryAfter = 30
		return nil, e
	}
}

// signNow signs a checkpoint of everything that was committed before.
func (b backend) signNow(ctx context.Context) (tree.Signed, error) {
	if err := b.read(ctx); err != nil {
		return tree.Signed{}, err
	}
	s, err := b.n.proofs.Sign(ctx)
	return s, proven(err)
}

// receipt is this node's receipt for an entry that it has applied.
func (n *Node) receipt(c record.ChainID, seq record.Seq, hash record.Hash, index uint64) record.Receipt {
	r := record.Receipt{Chain: c, Seq: seq, Hash: hash, CityIndex: index, At: n.wall().UnixMilli(), Node: n.c.ID}
	r.Sign(n.sign)
	return r
}

// ExportLog writes the whole log as it is now. Nothing is written before an
// error that the caller can still answer with.
func (b backend) ExportLog(ctx context.Context, w io.Writer) error {
	done, err := b.exporting()
	if err != nil {
		return err
	}
	defer done()
	s, err := b.signNow(ctx)
	if last, ok := b.n.proofs.Last(); err != nil && ok && b.n.proofs.Failed() != nil {
		s, err = last, nil // the file is to show what does not fit
	}
	if err != nil {
		return err
	}
	days, err := b.n.proofs.Days(s.Size)
	if err != nil {
		return err
	}
	k, err := b.n.book(s.Size)
	if err != nil {
		return err
	}
	x := audit.NewLog(w, k.first, k.statements, k.successions...)
	for x.Size() < s.Size {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, err := b.n.machine.After(x.Size(), int(min(exportPage, s.Size-x.Size())))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("core: export: the log ends at %d of %d", x.Size(), s.Size)
		}
		for _, r := range rows {
			x.Add(&audit.Entry{Index: r.Index, Listed: r.Listed, Entry: r.Entry})
			for len(days) > 0 && days[0].Size <= x.Size() {
				if days[0].Size < s.Size {
					x.Checkpoint(days[0].Note)
				}
				days = days[1:]
			}
		}
		if err := x.Flush(); err != nil {
			return err
		}
	}
	if x.Root() != s.Root {
		b.n.log.Error("an export does not give the root that was signed of it; wardline audit verify says where", "entries", s.Size)
	}
	x.Checkpoint(s.Note)
	x.Receipts(func(c record.ChainID, seq record.Seq, hash record.Hash) record.Receipt {
		return b.n.receipt(c, seq, hash, s.Size)
	})
	return x.Close()
}

// Evidence is one incident as a file that stands alone. Sealed parts stay sealed: to
// open them for an officer who may, Timeline.Open is set, after each opening is an entry.
func (b backend) Evidence(ctx context.Context, by identity.Officer, id record.ID) ([]byte, error) {
	done, err := b.exporting()
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := b.signNow(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := b.n.machine.Incident(id)
	if err != nil {
		return nil, err
	}
	for len(rows) > 0 && rows[len(rows)-1].Index > s.Size { // came meanwhile
		rows = rows[:len(rows)-1]
	}
	switch {
	case len(rows) == 0:
		return nil, api.Problem(404, "not-found", "id", "no incident %s is known here", id)
	case len(rows) > audit.MaxEvidenceEntries:
		return nil, api.Problem(400, "too-large", "id", "the incident has %d entries, at most %d make one file; export the whole log", len(rows), audit.MaxEvidenceEntries)
	}
	k, err := b.n.book(s.Size)
	if err != nil {
		return nil, err
	}
	e := audit.Evidence{Timeline: audit.Timeline{Incident: id, Checkpoint: s.Checkpoint, Key: k.signer.Key, At: b.n.wall().UnixMilli(), By: by.User, Unit: unitName}}
	out := &capped{left: audit.MaxEvidence}
	x := audit.NewIncident(out, k.first, k.statements, id, s.Note, k.successions...)
	for _, r := range rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entry := audit.Entry{Index: r.Index, Listed: r.Listed, Entry: r.Entry}
		_, p, err := b.n.proofs.Inclusion(ctx, r.Index, s.Size)
		if err != nil {
			return nil, proven(err)
		}
		x.Add(&entry)
		x.Proof(p)
		rc := b.n.receipt(r.Entry.Link.Chain(), r.Entry.Link.Seq, r.Entry.Hash(), r.Index)
		x.Receipt(&rc)
		e.Entries = append(e.Entries, entry)
	}
	if err := x.Close(); err != nil {
		return nil, err
	}
	e.Export = out.b
	return e.Archive(k.signer)
}

func unitName(u record.UnitID) string {
	for _, x := range api.AllUnits() {
		if x.ID == u {
			return x.Name
		}
	}
	return ""
}

// capped is a buffer with a limit.
type capped struct {
	b    []byte
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if len(p) > c.left {
		return 0, api.Problem(400, "too-large", "id", "the incident comes to more than %d bytes; export the whole log", audit.MaxEvidence)
	}
	c.left -= len(p)
	c.b = append(c.b, p...)
	return len(p), nil
}
