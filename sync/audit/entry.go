package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/record"
)

// take verifies the next entry.
func (v *verifier) take(content []byte) error {
	if v.single && v.counts[3] != v.counts[2] {
		return fmt.Errorf("%w: an entry without a receipt", ErrForm)
	}
	v.stage = atEntries
	v.readable = false
	if len(content) < entryHead+record.LinkSize {
		v.entry.Index = v.expected()
		return wrongEntry("damaged")
	}
	before := v.entry.Index
	index := binary.BigEndian.Uint64(content)
	if v.single {
		if index <= before || index > v.res.Checkpoint.Size {
			v.entry.Index = index
			return wrongEntry("not after entry %d and within the %d of the checkpoint", before, v.res.Checkpoint.Size)
		}
	} else if want := v.expected(); index != want {
		v.entry.Index = want
		return wrongEntry("not there; in its place stands one that calls itself entry %d: entries were removed, moved, added or repeated", index)
	}
	v.entry.Index, v.entry.Listed = index, record.Kind(content[8])
	stated := tlog.Hash(content[9:entryHead])
	raw := content[entryHead:]
	e, rest, err := record.DecodeEntry(raw)
	if err != nil {
		return &errWrong{what: "its bytes are damaged", err: err, entry: true}
	}
	v.entry.Entry, v.readable, v.body = e, true, record.ID{}
	if id, _, _, err := record.Peek(e.Body); err == nil {
		v.body = id
	}
	if len(rest) != 0 || len(raw) != record.LinkSize+uvarintLen(len(e.Body))+len(e.Body) {
		return wrongEntry("its bytes are damaged")
	}
	if !v.entry.Listed.Valid() {
		return wrongEntry("listed under the kind %d, which this wardline does not know", v.entry.Listed)
	}
	hash := hashRaw(raw[:record.LinkSize], e.Body)
	v.leaf = Leaf(hash, v.entry.Listed)
	if v.leaf != stated {
		return wrongEntry("it is not what the city had: its hash is %s, and with the kind %s its leaf is %x, not %x", hash, v.entry.Listed, v.leaf[:8], stated[:8])
	}
	if err := v.says(); err != nil {
		return err
	}
	v.counts[2]++
	if v.single {
		v.entry.Body = bytes.Clone(e.Body)
		v.stage = atProof
		return nil
	}
	if err := v.follow(hash); err != nil {
		return err
	}
	if err := v.turn(); err != nil {
		return err
	}
	v.tree.Add(v.leaf)
	v.whole = false
	return v.earlierAt()
}

func (v *verifier) expected() uint64 {
	if v.single {
		return v.entry.Index + 1
	}
	return v.tree.Size() + 1
}

// hashRaw is record.EntryHash over bytes that were decoded and have but one form.
func hashRaw(link, body []byte) record.Hash {
	var buf [record.LinkSize + sha256.Size]byte
	copy(buf[:], link)
	s := sha256.Sum256(body)
	copy(buf[record.LinkSize:], s[:])
	return sha256.Sum256(buf[:])
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

// says holds what the body says to what the city says of it.
func (v *verifier) says() error {
	_, incident, kind, err := record.Peek(v.entry.Body)
	if err != nil {
		return &errWrong{what: "its body cannot be read", err: err, entry: true}
	}
	if v.entry.Listed != kind && v.entry.Listed != record.KindRepeat {
		return wrongEntry("listed as %s, and its body says %s", v.entry.Listed, kind)
	}
	if !v.single || incident == v.res.Incident {
		return nil
	}
	b, err := record.DecodeBody(v.entry.Body)
	if err != nil {
		return &errWrong{what: "its body cannot be read", err: err, entry: true}
	}
	if !slices.Contains(b.Payload.Incidents, v.res.Incident) {
		return wrongEntry("it is not about the incident %s", v.res.Incident)
	}
	return nil
}

// follow holds an entry to the one before it in its chain.
func (v *verifier) follow(hash record.Hash) error {
	l := &v.entry.Link
	id := l.Chain()
	c := v.chains[id]
	if c == nil {
		if len(v.chains) >= maxChains {
			return wrongEntry("more than %d chains", maxChains)
		}
		if l.Seq != 1 || l.Prev != (record.Hash{}) {
			return wrongEntry("its chain begins with seq %d; seq 1, after nothing, is missing", l.Seq)
		}
		v.begins(l)
		v.chains[id] = &chain{l.Seq, v.entry.Index, hash, l.HLC}
		return nil
	}
	switch {
	case l.Seq != c.seq+1:
		return wrongEntry("seq %d should follow seq %d (entry %d) in its chain", c.seq+1, c.seq, c.index)
	case l.Prev != c.hash:
		return wrongEntry("it names %s as what stands before it in its chain, and entry %d there is %s: one of the two was changed", l.Prev, c.index, c.hash)
	case id.Origin == record.CoreOrigin && l.HLC <= c.hlc:
		return wrongEntry("its clock stands before that of entry %d in its chain", c.index)
	}
	c.seq, c.index, c.hash, c.hlc = l.Seq, v.entry.Index, hash, l.HLC
	return nil
}

// begins looks at the end of the life before. What the city never had, or holds
// otherwise, is no fault of the log: a disk was lost, restored or copied. It is said.
func (v *verifier) begins(l *record.Link) {
	if l.Pred == (record.Head{}) {
		return
	}
	p := v.chains[record.ChainID{Origin: l.Origin, Incarnation: l.Pred.Incarnation, Lane: l.Pred.Lane}]
	what := ""
	switch {
	case p == nil:
		what = "of which the city has nothing at this place"
	case p.seq < l.Pred.Seq:
		what = fmt.Sprintf("of which the city has only %d at this place", p.seq)
	case p.seq > l.Pred.Seq:
		what = fmt.Sprintf("of which the city has %d: the disk was rolled back or copied", p.seq)
	case p.hash != l.Pred.Hash:
		what = "which the city holds with another content"
	default:
		return
	}
	v.res.notice("entry %d: %s began the life %s after seq %d of %s, lane %s, %s", v.entry.Index, show(l.Origin), l.Incarnation, l.Pred.Seq, l.Pred.Incarnation, l.Pred.Lane, what)
}

// proof holds the entry before to the checkpoint; one incident.
func (v *verifier) proof(content []byte) error {
	n := len(content) / tlog.HashSize
	if len(content)%tlog.HashSize != 0 || n > maxProof {
		return wrongEntry("the proof of its place is damaged")
	}
	p := make(tlog.RecordProof, n)
	for i := range p {
		p[i] = tlog.Hash(content[i*tlog.HashSize:])
	}
	c := &v.res.Checkpoint
	if err := tlog.CheckRecord(p, int64(c.Size), c.Root, int64(v.entry.Index)-1, v.leaf); err != nil {
		return wrongEntry("it is not in the log that the city signed at %s (%d entries)", c.time(), c.Size)
	}
	v.stage = atReceipt
	return nil
}

func (v *verifier) openReceipt(content []byte) (record.Receipt, error) {
	r, err := record.DecodeReceipt(content)
	if err != nil {
		return r, wrongBy(err, "a receipt")
	}
	if !bytes.Equal(r.Append(nil), content) {
		return r, wrong("a receipt is written in another form")
	}
	for _, k := range v.nodes[r.Node] {
		if r.Verify(k) == nil {
			v.counts[3]++
			return r, nil
		}
	}
	if len(v.nodes[r.Node]) == 0 {
		return r, wrong("a receipt of the node %.64q, of whose key the log says nothing", r.Node)
	}
	return r, wrong("a receipt for %s, %s, lane %s, seq %d is not signed by %s", show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane, r.Seq, r.Node)
}

func (v *verifier) receiptOfEntry(content []byte) error {
	r, err := v.openReceipt(content)
	if err != nil {
		return err
	}
	e := &v.entry
	if r.Chain != e.Link.Chain() || r.Seq != e.Link.Seq || r.Hash != e.Hash() || r.CityIndex != e.Index {
		return wrongEntry("its receipt is for another entry, %s, %s, lane %s, seq %d", show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane, r.Seq)
	}
	v.stage = atEntries
	return nil
}

// receipt holds a chain to what a node signed; the whole log.
func (v *verifier) receipt(content []byte) error {
	r, err := v.openReceipt(content)
	if err != nil {
		return err
	}
	v.stage = atReceipts
	if v.ordered && compareChains(v.order, r.Chain) >= 0 {
		return wrong("the receipt for %s, %s, lane %s stands there twice, or in another order", show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane)
	}
	v.order, v.ordered = r.Chain, true
	c := v.chains[r.Chain]
	switch {
	case c == nil:
		return wrong("%s signed that the city has %d entries of %s, %s, lane %s; the export has none", r.Node, r.Seq, show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane)
	case c.seq != r.Seq || c.hash != r.Hash:
		return &errWrong{what: fmt.Sprintf("%s signed that %s, %s, lane %s ends with seq %d, %s; the export says seq %d, %s", r.Node, show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane,
			r.Seq, r.Hash, c.seq, c.hash), first: c.index, last: c.index}
	case c.index > r.CityIndex || r.CityIndex > v.tree.Size():
		return wrong("the receipt for %s, %s, lane %s names the city index %d, which does not fit", show(r.Chain.Origin), r.Chain.Incarnation, r.Chain.Lane, r.CityIndex)
	}
	return nil
}
