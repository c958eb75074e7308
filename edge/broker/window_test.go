package broker

import (
	"math/rand/v2"
	"testing"
)

// Whatever the order of the answers, the acknowledgements come in that of the
// publishes, each once.
func TestWindow_AnyOrderOfAnswers_KeepsTheOrderOfPublishes(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var w window
		var open []uint64
		next, popped := uint16(0), uint16(0)
		for range 500 {
			if len(open) < 100 && rnd.IntN(2) == 0 {
				open = append(open, w.push(slot{id: next}))
				next++
			} else if len(open) > 0 {
				i := rnd.IntN(len(open))
				if w.settle(open[i], Accepted()) == nil {
					t.Fatalf("seed %d: an open publish takes no answer", seed)
				}
				if s := w.settle(open[i], Later()); s != nil {
					t.Fatalf("seed %d: a second answer is taken", seed)
				}
				open[i] = open[len(open)-1]
				open = open[:len(open)-1]
			}
			for s, ok := w.pop(); ok; s, ok = w.pop() {
				if s.id != popped || s.answer.Kind != KindAccepted {
					t.Fatalf("seed %d: popped %d, want %d", seed, s.id, popped)
				}
				popped++
			}
		}
		if w.len() < len(open) || int(next-popped) != w.len() {
			t.Fatalf("seed %d: %d in the window, %d open", seed, w.len(), len(open))
		}
	}
}
