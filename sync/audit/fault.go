package audit

import (
	"fmt"
	"strings"

	"wardline/sync/record"
)

// Fault is what is wrong with an export, and where. It names the first entry
// that is wrong, or the shortest stretch of entries that can be told.
type Fault struct {
	// First and Last are city indexes; 0: no entry can be named. Last above First says
	// that one of these entries, or several, are wrong.
	First, Last uint64
	// Chain and Seq are the entry's place in its chain, where that could be read.
	Chain record.ChainID
	Seq   record.Seq
	// Entry is the id in its body, where that could be read.
	Entry record.ID
	// Offset is where in the file the part begins at which it was found, in bytes.
	Offset int64
	What   string
	err    error
}

// Error names the entry, says what is wrong with it, and where in the file.
func (f *Fault) Error() string {
	var b strings.Builder
	switch {
	case f.First == 0:
	case f.Last > f.First:
		fmt.Fprintf(&b, "entries %d to %d: ", f.First, f.Last)
	default:
		fmt.Fprintf(&b, "entry %d", f.First)
		if f.Seq > 0 {
			fmt.Fprintf(&b, " (%s, %s, lane %s, seq %d", show(f.Chain.Origin), f.Chain.Incarnation, f.Chain.Lane, f.Seq)
			if !f.Entry.Zero() {
				fmt.Fprintf(&b, ", id %s", f.Entry)
			}
			b.WriteString(")")
		}
		b.WriteString(": ")
	}
	b.WriteString(f.What)
	if f.err != nil {
		fmt.Fprintf(&b, ": %v", f.err)
	}
	if f.Offset >= 0 {
		fmt.Fprintf(&b, " (byte %d of the file)", f.Offset)
	}
	return b.String()
}

// Unwrap is the error beneath.
func (f *Fault) Unwrap() error { return f.err }

// show is an origin as it may stand on a terminal: a file that was made to hurt
// may say anything.
func show(o record.Origin) string {
	for _, c := range []byte(o) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Sprintf("%.40q", string(o))
		}
	}
	return fmt.Sprintf("%.40s", string(o))
}
