// Package audit proves, away from the city and from a file alone, that nothing
// in the city's log was changed, removed, moved or added.
//
// What it proves with: each chain names the hash of the entry before; the city's
// order is the leaves of a Merkle tree (RFC 9162, section 2.1, as golang.org/x/mod/sumdb/tlog
// computes it) whose root the city signs from time to time (a checkpoint, a signed note);
// receipts say how far a node had committed a chain. Export writes these into a file,
// Verify reads it once, front to back, and names the first entry that is wrong.
//
// It promises: every byte of an export is covered by a hash, a signature or a rule
// about its form, so that no change of one passes; memory is bounded by the number of
// chains, not of entries, and by limits against a file made to hurt.
//
// What it does not do: it opens no sealed part, and it cannot say that an
// entry which never reached the city should be there. FORMAT.md describes the file for those
// who would rather read it with a program of their own.
package audit
