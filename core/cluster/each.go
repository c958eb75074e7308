package cluster

import (
	"context"
	"sync"
)

// askEach asks nodes, given as their addresses by id, all at once; only answers are in the result, by the id that was asked.
// Each question has its own limit.
func askEach[T any](ctx context.Context, addrs map[string]string, ask func(ctx context.Context, id, addr string) (T, error)) map[string]T {
	var mu sync.Mutex // guards all
	all := map[string]T{}
	var wg sync.WaitGroup
	for id, addr := range addrs {
		wg.Go(func() {
			a, err := ask(ctx, id, addr)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all[id] = a
		})
	}
	wg.Wait()
	return all
}
