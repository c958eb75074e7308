//go:build !drill

package cli

import "time"

// wall is the wall clock of a process; nil is the system's. Only the program that
// drills are run against has another one.
func wall(string) func() time.Time { return nil }
