package crowd

import (
	"context"
	"fmt"
	"io"
	"time"
)

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
