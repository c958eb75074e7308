package crowd

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// printer lets many goroutines print whole lines to one writer.
type printer struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (p *printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Write(b)
}

// everySecond prints a line each second until ctx ends.
func everySecond(ctx context.Context, out io.Writer, line func() string) {
	begun := time.Now()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fmt.Fprintf(out, "%4.0fs %s\n", time.Since(begun).Seconds(), line())
		}
	}
}
