package edge

import (
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"time"

	"wardline/edge/ledger"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

const (
	// keysEvery is how often a station looks whether its wrapping key is to turn.
	keysEvery = time.Second
	// keysPause is the time after that failed.
	keysPause = 10 * time.Second
)

// Notes about erasures, each a few numbers of 8 bytes.
var (
	// heardKey: the last erasure that was carried out here, by its city index, and the
	// last that was not to wait.
	heardKey = []byte("erasure/heard")
	// saidKey: up to which one the city was told that the wrapping keys are destroyed.
	saidKey = []byte("erasure/said")
	// turnKey: which was the last one when the wrapping key in use was made, and when
	// that was, milliseconds since the Unix epoch, UTC.
	turnKey = []byte("erasure/turn")
)

func (s *Station) numbers(key []byte) (a, b uint64, err error) {
	v, err := s.ledger.Note(key)
	if err != nil || v == nil {
		return 0, 0, err
	}
	if len(v) != 16 {
		return 0, 0, errors.New("edge: damaged note " + string(key))
	}
	return binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), nil
}

func numbersNote(key []byte, a, b uint64) ledger.Note {
	return ledger.Note{Key: key, Value: binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a), b)}
}

// openKeys opens the station's wrapping keys, and makes the first one. What the single
// key of before wrapped is wrapped anew at the next turn.
func (s *Station) openKeys(disk *sealing.Disk) error {
	dir := filepath.Join(s.c.Dir, "keys")
	old, err := disk.Secret(filepath.Join(dir, "wrapping.key"))
	if err != nil {
		return err
	}
	before, err := sealing.NewKeyring(old)
	if err != nil {
		return err
	}
	if s.session, err = sealing.DeriveFrom(old, "sessions"); err != nil {
		return err
	}
	if s.keys, err = sealing.OpenRing(dir, disk, before); err != nil {
		return err
	}
	gen, id := s.keys.Latest()
	if gen == 0 {
		first := sealing.NewSecret()
		if err := s.keys.Put(1, first); err != nil {
			return err
		}
		id = sealing.KeyName(first)
	}
	s.keys.Use(id)
	return nil
}

// fresh gives a key as it is to be stored.
func (s *Station) fresh(k record.WrappedKey) (record.WrappedKey, error) {
	if k.Wrapper == s.keys.Current() {
		return k, nil
	}
	p, err := s.keys.Unwrap(k)
	if err != nil {
		return k, err // of a key that was destroyed meanwhile: it is sent again
	}
	return s.keys.Wrap(k.Key, p), nil
}

// keepKeys lets the wrapping key turn when its time has come, or when the city does
// not want an erasure to wait, until ctx ends.
func (s *Station) keepKeys(ctx context.Context) error {
	for pause := keysEvery; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = keysEvery
		if err := s.turnKeys(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("wrapping keys", "err", err)
			pause = keysPause
		}
	}
}

func (s *Station) turnKeys(ctx context.Context) error {
	heard, soon, err := s.numbers(heardKey)
	if err != nil {
		return err
	}
	before, since, err := s.numbers(turnKey)
	if err != nil {
		return err
	}
	now := uint64(s.wall().UnixMilli())
	switch {
	case since == 0: // from now on
		return s.ledger.Foreign(ledger.Foreign{Notes: []ledger.Note{numbersNote(turnKey, 0, now)}})
	case s.keys.Older(): // a crash came between
		return s.destroyOlder(ctx, before)
	case soon > before, now > since && now-since >= uint64(sealing.Turn(s.c.WrappingDays).Milliseconds()):
	default:
		return s.sayDestroyed(ctx, before) // if it was not said yet
	}
	// What is erased by now is not wrapped with the next key any more; that stands on the
	// disk before the key does.
	if err := s.ledger.Foreign(ledger.Foreign{Notes: []ledger.Note{numbersNote(turnKey, heard, now)}}); err != nil {
		return err
	}
	gen, _ := s.keys.Latest()
	secret := sealing.NewSecret()
	if err := s.keys.Put(gen+1, secret); err != nil {
		return err
	}
	s.keys.Use(sealing.KeyName(secret))
	return s.destroyOlder(ctx, heard)
}

// destroyOlder wraps what is left with the key in use, destroys those before it, and
// says so.
func (s *Station) destroyOlder(ctx context.Context, upTo uint64) error {
	keys, lost := 0, 0
	for from := []byte(nil); ; {
		began := time.Now()
		r, err := s.ledger.Rewrap(from, func(k record.WrappedKey) (record.WrappedKey, bool, error) {
			next, err := s.fresh(k)
			return next, next.Wrapper != k.Wrapper, err
		})
		if err != nil {
			return err
		}
		keys, lost = keys+r.Keys, lost+r.Lost
		if from = r.Next; from == nil {
			break
		}
		select { // half of the time is the reports'
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
	if lost > 0 {
		s.log.Error("keys of sealed parts were wrapped with a key that is not on this disk; what they open is lost here", "keys", lost)
	}
	if err := s.keys.DestroyOlder(); err != nil {
		return err
	}
	s.log.Info("keys of sealed parts are wrapped anew, the wrapping keys before are destroyed", "keys", keys)
	return s.sayDestroyed(ctx, upTo)
}

// sayDestroyed writes the entry by which the city knows that nothing erased up to a city
// index can be read here, unless it is written.
func (s *Station) sayDestroyed(ctx context.Context, upTo uint64) error {
	said, _, err := s.numbers(saidKey)
	if err != nil || said >= upTo {
		return err
	}
	b := record.Body{ID: record.NewID(s.wall()), Kind: record.KindErased, Origin: s.origin, HLC: s.ledger.Clock().Now(), Clock: doorLedger{s}.ClockState(),
		ReceivedAt: s.wall().UnixMilli(), Payload: record.Payload{Index: upTo}}
	done := make(chan error, 1)
	s.ledger.Submit(ledger.Append{Lane: record.Routine, Body: b, Notes: []ledger.Note{numbersNote(saidKey, upTo, 0)}}, func(_ ledger.Result, err error) { done <- err })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-done:
		return err
	}
}

// carryOut deletes the keys of what the city has erased, before the cursor says that it
// was heard. It gives the note that says so; none without erasures.
func (x sink) carryOut(list []downEntry) ([]ledger.Note, error) {
	var last, soon uint64
	for _, e := range list {
		covers := record.Erasure{Epoch: e.body.Payload.Epoch}
		if err := x.l.Ledger.Forget(e.body.Incident, covers.Covers); err != nil {
			return nil, err
		}
		last = max(last, e.index)
		if e.body.Payload.Flags&record.FlagSoon != 0 {
			soon = max(soon, e.index)
		}
	}
	if last == 0 {
		return nil, nil
	}
	if v, err := x.l.Ledger.Note(heardKey); err != nil {
		return nil, err
	} else if len(v) == 16 {
		last, soon = max(last, binary.BigEndian.Uint64(v)), max(soon, binary.BigEndian.Uint64(v[8:]))
	}
	return []ledger.Note{numbersNote(heardKey, last, soon)}, nil
}
