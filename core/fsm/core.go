package fsm

import (
	"errors"
	"fmt"

	"wardline/sync/planted"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// body takes an entry that the core itself is to write.
func (b *batch) body(raw []byte) (Result, error) {
	body, err := record.DecodeBody(raw)
	switch {
	case err != nil:
		return Result{Status: Refused, Detail: err.Error()}, nil
	case body.Origin != record.CoreOrigin:
		return Result{Status: Refused, Detail: "only entries of the core are proposed as such"}, nil
	}
	switch {
	case body.Kind == record.KindReport:
		return b.cityReport(&body)
	case body.Kind.Action():
		return b.action(&body)
	case body.Kind == record.KindAccount:
		return b.account(&body)
	}
	if n, err := b.known(body.ID); err != nil || n > 0 {
		return b.where(OK, n, err)
	}
	switch body.Kind {
	case record.KindMachine:
		return b.machine(&body)
	case record.KindDevice:
		return b.device(&body)
	case record.KindBroadcast:
		return b.cityBroadcast(&body)
	case record.KindErasure:
		return b.erase(&body)
	case record.KindPoints:
		return b.points(&body)
	}
	if detail, err := b.fits(&body); err != nil || detail != "" {
		return Result{Status: Refused, Detail: detail}, err
	}
	if _, _, err := b.putCore(&body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	switch body.Kind {
	case record.KindRules:
		err = b.set(idKey(rowActive, u64([]byte{activeRules}, uint64(body.Payload.Rules))), u64(nil, n))
	case record.KindActivate:
		err = b.set([]byte{rowActive, activeWards}, u64(nil, n))
	case record.KindErased:
		return b.where(OK, n, b.destroyed(&body))
	case record.KindExercise:
		return b.where(OK, n, errors.Join(b.set(idKey(rowActive, append([]byte{activeExercise}, body.Payload.Target[:]...)), u64(nil, n)), b.announce(n)))
	case record.KindAlarm:
		return b.where(OK, n, b.tellStation(record.Origin(body.Payload.Patrol), n))
	default:
		return b.where(OK, n, nil)
	}
	b.reload = true
	if err == nil {
		err = b.announce(n)
	}
	return b.where(OK, n, err)
}

// fits says why rules or wards cannot take effect; empty when they can. What
// is refused here would stop every node at its next start.
func (b *batch) fits(body *record.Body) (string, error) {
	switch body.Kind {
	case record.KindExercise:
		return b.exerciseFits(body)
	case record.KindRules:
		r, err := routing.UnmarshalRules(body.Payload.Data)
		switch {
		case err != nil:
			return err.Error(), nil
		case r.Version == 0 || r.Version != body.Payload.Rules:
			return fmt.Sprintf("version %d in an entry for version %d; versions begin at 1", r.Version, body.Payload.Rules), nil
		}
		v, err := get(b.tx, idKey(rowActive, u64([]byte{activeRules}, uint64(r.Version))))
		if err != nil || v != nil {
			return fmt.Sprintf("version: %d stands for other rules already; use a higher one", r.Version), err
		}
	case record.KindActivate:
		_, err := assemble(b, body)
		if errors.Is(err, errParts) {
			return err.Error(), nil
		}
		return "", err
	}
	return "", nil
}

// maxResultBody bounds the body that travels back with a result, below what a
// follower's forwarding carries; a part of a ward import is larger and nobody needs it back.
const maxResultBody = 96 << 10

// where says where a committed entry stands.
func (b *batch) where(status string, index uint64, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	r, err := b.entryAt(index)
	if err != nil {
		return Result{}, err
	}
	res := Result{Status: status, Seq: r.entry.Link.Seq, Hash: r.entry.Hash(), Index: index}
	if len(r.entry.Body) <= maxResultBody {
		res.Body = r.entry.Body
	}
	return res, nil
}

// cityReport takes a report at the city's door. Here again: the stored answer.
// At a ward's door before: an entry of its own, listed as a repeat.
func (b *batch) cityReport(body *record.Body) (Result, error) {
	id := body.Payload.Report
	old, err := b.subject(id)
	if err != nil {
		return Result{}, err
	}
	if old.first == 0 {
		if err := b.newReport(body, body.HLC); err != nil {
			return Result{}, err
		}
		return b.where(OK, old.first, nil)
	}
	fp, err := b.fingerprint(old.first)
	if err != nil {
		return Result{}, err
	}
	if fp != body.Payload.Fingerprint {
		other, err := b.subject(OtherContentID(id, body.Payload.Fingerprint))
		if err != nil || other.first > 0 {
			return b.where(Repeat, max(other.atCore, other.first), err)
		}
		if err := b.otherContent(body); err != nil {
			return Result{}, err
		}
		return b.where(Other, other.first, nil)
	}
	if old.atCore > 0 {
		return b.where(Repeat, old.atCore, nil)
	}
	before, err := b.toldOf(body)
	if err != nil {
		return Result{}, err
	}
	if _, _, err := b.putCore(body, body.HLC, record.KindRepeat, old.first); err != nil {
		return Result{}, err
	}
	old.atCore = b.meta.index
	b.touch(id, old, 10)
	if err := b.tell(body, before, old.atCore); err != nil {
		return Result{}, err
	}
	return b.where(OK, old.atCore, nil)
}

// action takes an officer's entry made at the core: compare-and-set in the
// order of commits.
func (b *batch) action(body *record.Body) (Result, error) {
	if n, err := b.known(body.ID); err != nil || n > 0 {
		return b.where(OK, n, err)
	}
	bodies, err := b.bodies(body.Incident)
	if err != nil {
		return Result{}, err
	}
	in := record.Fold(body.Incident, bodies)
	in.Stamp(body)
	if err := in.Check(body); err != nil && !(planted.ClaimBlind && body.Kind == record.KindClaim) {
		var r *record.Refusal
		if !errors.As(err, &r) {
			return Result{}, err
		}
		return Result{Status: Refused, Detail: r.Detail, Refusal: r}, nil
	}
	before, err := b.toldOf(body)
	if err != nil {
		return Result{}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	if err := b.tell(body, before, n); err != nil {
		return Result{}, err
	}
	return b.where(OK, n, errors.Join(b.reclassified(body), b.claimed(body)))
}
