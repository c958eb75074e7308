package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// A log's key is succeeded by another one by a note that the key of before signs, which stands
// in the log as an entry of the city (trust.OpLogKey). From that entry on the next key signs;
// for a while the one before signs beside it, so that who pinned that one can still verify.

const successionTitle = "wardline log key"

// maxSuccessions bounds the keys that a log ever had: one a year for a lifetime.
const maxSuccessions = 64

// ErrSuccession says that a note names no successor of the key.
var ErrSuccession = errors.New("no note by which the log's key names its successor")

// Succeed signs that next is the key after this one, as the log's n-th (from 2).
func (s *Signer) Succeed(next Key, n int) ([]byte, error) {
	return s.note(successionText(next, n))
}

func successionText(next Key, n int) string {
	return successionTitle + "\n" + strconv.Itoa(n) + "\n" + next.String() + "\n"
}

// OpenSuccession reads what Succeed wrote: the log's n-th key.
func (k Key) OpenSuccession(msg []byte, n int) (Key, error) {
	text, err := k.open(msg)
	if err != nil {
		return Key{}, err
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != successionTitle {
		return Key{}, ErrSuccession
	}
	next, err := ParseKey(lines[2])
	if err != nil || successionText(next, n) != text {
		return Key{}, ErrSuccession
	}
	return next, nil
}

// sign signs a text, and lets others sign beside.
func sign(text string, by ...*Signer) ([]byte, error) {
	list := make([]note.Signer, len(by))
	for i, s := range by {
		list[i] = s
	}
	return note.Sign(&note.Note{Text: text}, list...)
}

// succeeds takes the next key of the log.
func (v *verifier) succeeds(content []byte) error {
	last := v.keys[len(v.keys)-1]
	next, err := last.OpenSuccession(content, len(v.keys)+1)
	if err != nil {
		return wrongBy(err, "the note by which the log's key %s is followed by another", last.Fingerprint())
	}
	if len(v.keys) > maxSuccessions || slices.ContainsFunc(v.keys, func(k Key) bool { return k.text == next.text }) {
		return wrong("the key %s follows, which was there before, or is one too many", next.Fingerprint())
	}
	v.keys, v.successions = append(v.keys, next), append(v.successions, bytes.Clone(content))
	return nil
}

// settle holds the keys to what the auditor knew beforehand, once all are read.
func (v *verifier) settle() error {
	if v.settled {
		return nil
	}
	v.settled = true
	if v.f.version > 1 != (len(v.keys) > 1) {
		return fmt.Errorf("%w: its first line does not fit to the keys in it", ErrForm)
	}
	last := v.keys[len(v.keys)-1]
	at := slices.IndexFunc(v.keys, v.o.Pin.Is)
	if at < 0 {
		return wrong("the export is signed with the key %s, not with the one that you gave, %s, nor with one that follows it: it is not of this city, or somebody wrote it anew", last.Fingerprint(), v.o.Pin.text)
	}
	v.res.Key, v.res.Pinned, v.res.Successions = last, !v.o.Pin.Zero(), len(v.keys)-1
	if v.res.Pinned {
		v.res.Since = len(v.keys) - 1 - at
	}
	v.early = map[uint64][]Checkpoint{}
	for _, note := range v.o.Earlier {
		c, err := v.earlier(note)
		if err != nil {
			return wrongBy(err, "the earlier checkpoint that you gave does not fit to this export")
		}
		v.early[c.Size] = append(v.early[c.Size], c)
	}
	return nil
}

// earlier reads a checkpoint that was signed with any of the log's keys.
func (v *verifier) earlier(note []byte) (c Checkpoint, err error) {
	for i := range slices.Backward(v.keys) {
		if c, err = v.keys[i].OpenCheckpoint(note, v.keys[max(i-1, 0):i]...); err == nil {
			return c, nil
		}
	}
	return c, err
}

// turn goes on to the next key at the entry that brings it.
func (v *verifier) turn() error {
	if v.entry.Listed != record.KindMachine || v.entry.Link.Origin != record.CoreOrigin {
		return nil
	}
	b, err := record.DecodeBody(v.entry.Body)
	if err != nil {
		return &errWrong{what: "its body cannot be read", err: err, entry: true}
	}
	c, err := trust.DecodeChange(b.Payload.Data)
	if err != nil || c.Op != trust.OpLogKey {
		return nil // of a newer program, or about something else
	}
	if v.gen >= len(v.successions) || !bytes.Equal(c.Log, v.successions[v.gen]) {
		return wrongEntry("it brings another key of the log than the export names")
	}
	v.gen++
	return nil
}
