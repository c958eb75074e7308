package fsm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/points"
	"wardline/sync/record"
)

func pointsKey(version, part uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{rowPoints}, version), part)
}

// points takes one part of a set of places of help; every station hears of it. Once all
// parts of a set are there, the rows of older sets go.
func (b *batch) points(body *record.Body) (Result, error) {
	p := &body.Payload
	if p.Parts == 0 || p.Parts > points.MaxParts || p.Part >= p.Parts {
		return Result{Status: Refused, Detail: fmt.Sprintf("part %d of %d cannot be", p.Part, p.Parts)}, nil
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	if err := b.set(pointsKey(p.Rules, p.Part), u64(nil, n)); err != nil {
		return Result{}, err
	}
	var old [][]byte
	have := uint32(0)
	err := scan(b.tx, []byte{rowPoints}, nil, false, func(k, _ []byte) error {
		if len(k) != 9 {
			return errRow
		}
		switch v := binary.BigEndian.Uint32(k[1:]); {
		case v == p.Rules:
			have++
		case v < p.Rules:
			old = append(old, slices.Clone(k))
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	for _, k := range old {
		if have < p.Parts {
			break
		}
		if err := b.del(k); err != nil {
			return Result{}, err
		}
	}
	return b.where(OK, n, b.announce(n))
}

// Points calls f with each entry that holds a part of the places of help in effect, or
// of a set that is not whole yet.
func (m *Machine) Points(f func(Row) error) error {
	var at []uint64
	err := m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowPoints}, nil, true, func(_, v []byte) error {
			at = append(at, beIndex(v))
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, n := range at {
		e, err := m.Entry(n)
		if err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
