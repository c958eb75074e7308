package whole

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// proof: an auditor's export of the whole log verifies from itself alone: chains,
// signatures, receipts, checkpoint and inclusion.
func (j *judge) proof(ctx context.Context) error {
	file := filepath.Join(j.w.o.Dir, "log.export")
	for _, args := range [][]string{{"audit", "export", "--data", j.w.dir, "--out", file}, {"audit", "verify", file}} {
		if out, err := exec.CommandContext(ctx, j.w.o.Binary, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("proof: wardline %s %s: %w: %.600s", args[0], args[1], err, out)
		}
	}
	return nil
}
