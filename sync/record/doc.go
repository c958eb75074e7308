// Package record is the record that every part of Wardline shares: entries,
// their chains, clocks, sealed parts, receipts, and the fold that turns a set
// of entries into an incident.
//
// An entry is a body and a link. The body is written once, by its author, and
// travels unchanged as bytes from the ledger through the line and the Raft log
// to the core's store. The link puts it at its place in a chain. State is a
// pure function of the set of bodies: [Fold] gives the same incident, byte for
// byte, in whatever order and however often the bodies arrived.
//
// The package is pure: it opens no file, reads no clock that it is not given,
// starts no goroutine and imports the standard library alone. It does not
// decide what is accepted (that is the doors' work) nor who may do what.
package record
