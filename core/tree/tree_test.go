package tree

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
)

// list is a log in memory.
type list struct {
	mu     sync.Mutex
	leaves []tlog.Hash
}

func (l *list) Position() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.leaves))
}

func (l *list) Leaves(after uint64, limit int) ([]tlog.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := min(after, uint64(len(l.leaves)))
	return slices.Clone(l.leaves[from:min(from+uint64(limit), uint64(len(l.leaves)))]), nil
}

func (l *list) add(n int, word string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.leaves = append(l.leaves, tlog.RecordHash(fmt.Append(nil, word, len(l.leaves))))
	}
}

func (l *list) root(n uint64) tlog.Hash { return over(l.leaves[:n]) }

type rig struct {
	*Tree
	dir    string
	log    *list
	signer *audit.Signer
	alarms []string
}

func mustRig(t *testing.T, n int) *rig {
	t.Helper()
	var seed [32]byte
	s, err := audit.NewSigner(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{dir: t.TempDir(), log: &list{}, signer: s}
	r.log.add(n, "a")
	r.open(t)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) open(t *testing.T) {
	t.Helper()
	var err error
	r.Tree, err = Open(Options{Dir: r.dir, Log: r.log, Signer: signs{r.signer}, Wall: time.Now, Logger: slog.New(slog.DiscardHandler),
		Alarm: func(s string) { r.alarms = append(r.alarms, s) }})
	if err != nil {
		t.Fatal(err)
	}
}

// again closes the tree and opens it as the next process does.
func (r *rig) again(t *testing.T) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t)
}

func (r *rig) mustSign(t *testing.T) Signed {
	t.Helper()
	s, err := r.Sign(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.signer.OpenCheckpoint(s.Note); err != nil || c != s.Checkpoint || c.Root != r.log.root(c.Size) {
		t.Fatal(c, err)
	}
	return s
}

func TestTree_Checkpoints_ProveEveryEntryAndEachOther(t *testing.T) {
	r := mustRig(t, 0)
	rnd := rand.New(rand.NewPCG(1, 1))
	signed := []Signed{r.mustSign(t)}
	for _, n := range []int{1, 1, 253, 1, 1, 255, 700, 3000} {
		r.log.add(n, "a")
		signed = append(signed, r.mustSign(t))
	}
	ctx := context.Background()
	for i, to := range signed[1:] {
		for range 20 {
			index := 1 + rnd.Uint64N(to.Size)
			leaf, p, err := r.Inclusion(ctx, index, to.Size)
			if err != nil || leaf != r.log.leaves[index-1] || tlog.CheckRecord(p, int64(to.Size), to.Root, int64(index)-1, leaf) != nil {
				t.Fatalf("entry %d of %d: %v", index, to.Size, err)
			}
		}
		for _, from := range signed[1 : i+2] {
			p, err := r.Consistency(ctx, from.Size, to.Size)
			if err != nil || tlog.CheckTree(p, int64(to.Size), to.Root, int64(from.Size), from.Root) != nil {
				t.Fatalf("%d to %d: %v", from.Size, to.Size, err)
			}
		}
	}
	for _, bad := range [][2]uint64{{0, 5}, {6, 5}, {1, 1 << 60}, {5, 5000}} {
		if _, _, err := r.Inclusion(ctx, bad[0], bad[1]); !errors.Is(err, ErrRange) {
			t.Errorf("entry %d of %d: %v", bad[0], bad[1], err)
		}
		if _, err := r.Consistency(ctx, bad[0], bad[1]); !errors.Is(err, ErrRange) {
			t.Errorf("from %d to %d: %v", bad[0], bad[1], err)
		}
	}
}

func TestTree_NothingNew_GivesTheLastCheckpoint(t *testing.T) {
	r := mustRig(t, 300)
	a := r.mustSign(t)
	if b := r.mustSign(t); string(a.Note) != string(b.Note) {
		t.Error("signed anew")
	}
	r.again(t)
	if b := r.mustSign(t); b.Root != a.Root || b.At < a.At {
		t.Error(a, b)
	}
	days, err := r.Days(1000)
	if err != nil || len(days) != 1 || days[0].Size != 300 {
		t.Error(days, err)
	}
}

func TestTree_FilesCutOrLostOrDamaged_AreBuiltAnew(t *testing.T) {
	r := mustRig(t, 5000)
	want := r.mustSign(t)
	path := filepath.Join(r.dir, "hashes")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"cut": whole[:len(whole)/2+5], "empty": nil, "longer": append(slices.Clone(whole), make([]byte, 77)...),
		"flipped below": flip(whole, 3), "flipped at the end": flip(whole, len(whole)-3), "flipped above": flip(whole, 2*tlog.HashSize+1)} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r.again(t)
		if _, _, err := r.Inclusion(context.Background(), 17, 2000); err != nil && name != "flipped above" {
			t.Errorf("%s: %v", name, err)
		}
		r.log.add(1, "a")
		if s := r.mustSign(t); s.Size <= want.Size || len(r.alarms) != 0 {
			t.Errorf("%s: %d, %v", name, s.Size, r.alarms)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestTree_LogThatContradictsACheckpoint_IsNeverSignedAgain(t *testing.T) {
	for _, at := range []int{0, 700, 1023, 1090} {
		r := mustRig(t, 1100)
		r.mustSign(t)
		r.log.leaves[at][0] ^= 1
		for i := at; i < 1100; i++ { // as after a restore: all that came later is other too
			r.log.leaves[i][1] ^= 1
		}
		r.log.add(50, "b")
		r.again(t)
		for range 2 {
			if _, err := r.Sign(context.Background()); !errors.Is(err, ErrContradicted) || len(r.alarms) != 1 {
				t.Errorf("changed from %d on: %v, %v", at+1, err, r.alarms)
			}
		}
		if _, _, err := r.Inclusion(context.Background(), 1, 5); !errors.Is(err, ErrContradicted) {
			t.Error(err)
		}
	}
}

func TestTree_LogThatIsShorter_IsSignedWhenItHasCaughtUp(t *testing.T) {
	r := mustRig(t, 900)
	r.mustSign(t)
	all := r.log.leaves
	r.log.leaves = all[:400]
	r.again(t)
	if _, err := r.Sign(context.Background()); !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
	r.log.leaves = all
	r.log.add(1, "a")
	r.mustSign(t)
}

func TestTree_Run_SignsAndEnds(t *testing.T) {
	r := mustRig(t, 600)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	deadline := time.Now().Add(time.Minute)
	for {
		if s, ok := r.Last(); ok && s.Size == 600 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no checkpoint")
		}
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// signs is a log that has one key.
type signs struct{ s *audit.Signer }

func (x signs) Sign(c audit.Checkpoint) ([]byte, error)    { return x.s.SignCheckpoint(c) }
func (x signs) Open(note []byte) (audit.Checkpoint, error) { return x.s.OpenCheckpoint(note) }
