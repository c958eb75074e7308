package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCluster_NodeOnAnOlderImageOfItsDisk_JoinsAnew: what the image lacks was committed
// with this node's help, so it must not vote before it has it again.
func TestCluster_NodeOnAnOlderImageOfItsDisk_JoinsAnew(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	put(t, c.nodes[0], Urgent, "in the image")
	c.same([]string{"in the image"})
	x := c.follower()
	x.kill()
	x.state.close()
	x.state = nil
	dirs := []string{x.cfg.Dir, x.cfg.Dir + ".state"}
	for _, d := range dirs {
		if err := os.CopyFS(d+".image", os.DirFS(d)); err != nil {
			t.Fatal(err)
		}
	}
	x.start()
	want := []string{"in the image"}
	for i := range 20 {
		want = append(want, fmt.Sprintf("after it %d", i))
		put(t, x, Urgent, want[i+1])
	}
	c.same(want)
	birth, index := x.node.me().Birth, x.node.raft.Load().CommitIndex()
	waitFor(t, "the others to hear of it", func() bool {
		for _, n := range c.nodes {
			if n != x && n.node.witness.index(x.cfg.ID, birth) < index {
				return false
			}
		}
		return true
	})
	x.kill()
	x.state.close()
	x.state = nil
	for _, d := range dirs {
		if err := errors.Join(os.RemoveAll(d), os.Rename(d+".image", d)); err != nil {
			t.Fatal(err)
		}
	}
	x.start()
	x.ended()
	if !errors.Is(x.err, ErrRejoin) || !strings.Contains(x.err.Error(), "remembers") {
		t.Fatalf("a node on an older image went on: %v", x.err)
	}
	x.start()
	c.voters(3)
	c.same(want)
	if x.node.me().Birth == birth {
		t.Error("it has its old birth")
	}
}

// index is what a node's disk said that it holds; 0 when it is not the one in use.
func (w *witness) index(id, birth string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.known[id]
	if n := len(h.Births); n == 0 || h.Births[n-1] != birth {
		return 0
	}
	return h.Index
}

// TestWitness_EarlierDisk_IsKnown: a disk that another one has replaced since is told
// apart from one that nobody has heard of.
func TestWitness_EarlierDisk_IsKnown(t *testing.T) {
	dir := t.TempDir()
	w := openWitness(dir, discard())
	for _, q := range []heldReport{{"a", "one", 10}, {"a", "two", 4}, {"a", "two", 7}, {"a", "two", 5}, {"a", "one", 90}} {
		if _, err := w.hear(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.keep(dir); err != nil {
		t.Fatal(err)
	}
	w = openWitness(dir, discard())
	h := w.known["a"]
	for birth, older := range map[string]map[uint64]bool{"one": {100: true}, "two": {6: true, 7: false, 8: false}, "three": {0: false}} {
		for end, want := range older {
			if got := h.older(birth, end); (got != "") != want {
				t.Errorf("birth %s with %d entries: %q", birth, end, got)
			}
		}
	}
	for _, q := range []heldReport{{}, {ID: "a"}, {ID: "a", Birth: strings.Repeat("x", 100)}} {
		if _, err := w.hear(q); !errors.Is(err, ErrRefused) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for i := range 2 * maxHeld {
		_, _ = w.hear(heldReport{fmt.Sprint(i), "b", 1})
	}
	if len(w.known) > maxHeld {
		t.Errorf("%d nodes are remembered", len(w.known))
	}
	if err := writeFile(dir, heldName, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if w = openWitness(dir, discard()); len(w.known) != 0 {
		t.Errorf("a damaged file gave %v", w.known)
	}
}

// TestCluster_OneNodeOfThree_WaitsForAnotherBeforeItTakesPart: alone it cannot know
// whether its disk is an older image.
func TestCluster_OneNodeOfThree_WaitsForAnotherBeforeItTakesPart(t *testing.T) {
	t.Parallel()
	c := newCity(t, 3, nil).start()
	put(t, c.nodes[0], Urgent, "one")
	c.same([]string{"one"})
	for _, n := range c.nodes {
		n.kill()
	}
	x := c.nodes[0]
	x.start()
	select {
	case <-x.node.Ready():
		t.Error("it takes part alone")
	case <-time.After(4 * askMembersEvery):
	}
	c.nodes[1].start()
	put(t, x, Urgent, "two")
	c.nodes[2].start()
	c.same([]string{"one", "two"})
}
