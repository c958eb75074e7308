package ledger

import "sync"

// near keeps the large blocks that were written or read last. Lists, routing, search and the line read a flood's blocks right
// behind the committer, search one report at a time, and the store copies a whole value twice to give it. A
// block never changes, so what is here is what the disk has.
type near struct {
	mu   sync.Mutex // guards below
	list [nearBlocks]nearBlock
	next int
}

// nearBlock holds the entries at the positions first to last; its bytes are not written to again.
type nearBlock struct {
	first, last uint64
	v           []byte
}

const (
	nearBlocks = 16 // 3 MB of the largest
	nearLeast  = 16 << 10
)

// of gives the block in which a position lies.
func (n *near) of(pos uint64) (nearBlock, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.list {
		if b := &n.list[i]; b.v != nil && b.first <= pos && pos <= b.last {
			return *b, true
		}
	}
	return nearBlock{}, false
}

// put takes a block that is on the disk, instead of the oldest.
func (n *near) put(first uint64, v []byte) {
	r, err := readBlock(first, v)
	for err == nil && len(r.rest) > 0 {
		_, _, err = r.raw()
	}
	if err != nil || r.next.pos == first {
		return // it is read from the disk again, by who can say that it is damaged
	}
	if _, ok := n.of(first); ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list[n.next] = nearBlock{first, r.next.pos - 1, v}
	n.next = (n.next + 1) % nearBlocks
}
