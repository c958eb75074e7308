package fsm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/identity"
	"wardline/sync/record"
)

const (
	rowDevice = 'v' // device -> index of the entry that states it, its credential; without a device: how many there are
	rowHers   = 'b' // ward, device -> nothing: the devices of a ward
)

// unknownWard stands in a row of rowHers for a device of whose ward the log knows nothing.
const unknownWard = record.WardCode("*****")

// maxDevices bounds the devices that the log names, revoked ones included: some
// hundred fixed ones in each ward. Phones need no row (identity.Installs).
const maxDevices = 200_000

func deviceKey(id string) []byte { return append([]byte{rowDevice}, id...) }

func hersKey(w record.WardCode, id string) []byte {
	return append(append([]byte{rowHers}, w...), id...)
}

// device takes what an entry says of a device. The latest stands; the ward's
// station hears of it, and so does that of the ward where it was before. A revocation of one
// that the log does not know (it stands in a file, or registered itself) is told to all.
func (b *batch) device(body *record.Body) (Result, error) {
	c, err := identity.CredentialOf(body)
	if err != nil {
		return Result{Status: Refused, Detail: err.Error()}, nil
	}
	old, known, err := deviceAt(b.tx, c.ID)
	if err != nil {
		return Result{}, err
	}
	if known && c.Revoked {
		c = old.Credential // of whom it is remains known
		c.Revoked, c.Salt, c.Sum = true, nil, nil
	}
	if !known {
		if detail, err := b.countDevice(); err != nil || detail != "" {
			return Result{Status: Refused, Detail: detail}, err
		}
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	v, err := json.Marshal(c)
	if err != nil {
		return Result{}, err
	}
	if err := b.set(deviceKey(c.ID), append(u64(nil, n), v...)); err != nil {
		return Result{}, err
	}
	if known && old.Ward != "" && old.Ward != c.Ward {
		if err := b.del(hersKey(old.Ward, c.ID)); err != nil {
			return Result{}, err
		}
		if err := b.outboxEntry(old.Ward, n); err != nil {
			return Result{}, err
		}
	}
	if c.Ward == "" {
		if !c.Revoked {
			return b.where(OK, n, nil) // it speaks to the city alone
		}
		if err := b.set(hersKey(unknownWard, c.ID), nil); err != nil {
			return Result{}, err
		}
		return b.where(OK, n, b.announce(n))
	}
	if err := b.set(hersKey(c.Ward, c.ID), nil); err != nil {
		return Result{}, err
	}
	return b.where(OK, n, b.outboxEntry(c.Ward, n))
}

// countDevice counts one more, or says why there may be none.
func (b *batch) countDevice() (string, error) {
	v, err := get(b.tx, []byte{rowDevice})
	if err != nil {
		return "", err
	}
	n := beIndex(v)
	if n >= maxDevices {
		return fmt.Sprintf("the city's log names %d devices already", n), nil
	}
	return "", b.set([]byte{rowDevice}, u64(nil, n+1))
}

// DeviceRow is a device with the index of the entry that states it.
type DeviceRow struct {
	identity.Credential
	Index uint64
}

func decodeDevice(v []byte) (r DeviceRow, err error) {
	if len(v) < 8 {
		return r, errRow
	}
	r.Index = binary.BigEndian.Uint64(v)
	if err := json.Unmarshal(v[8:], &r.Credential); err != nil {
		return r, fmt.Errorf("%w: %w", errRow, err)
	}
	return r, nil
}

func deviceAt(tx *badger.Txn, id string) (r DeviceRow, known bool, err error) {
	v, err := get(tx, deviceKey(id))
	if err != nil || v == nil {
		return r, false, err
	}
	r, err = decodeDevice(v)
	return r, err == nil, err
}

// Device is what is committed of a device.
func (m *Machine) Device(id string) (r DeviceRow, known bool, err error) {
	err = m.view(func(tx *badger.Txn) error {
		r, known, err = deviceAt(tx, id)
		return err
	})
	return r, known, err
}

// Devices lists devices in the order of their names, after one, at most limit.
func (m *Machine) Devices(after string, limit int) (list []DeviceRow, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowDevice}, append(deviceKey(after), 0), true, func(_, v []byte) error {
			if len(list) >= limit {
				return errStop
			}
			r, err := decodeDevice(v)
			list = append(list, r)
			return err
		})
	})
	return list, err
}

// DevicesOf calls f with the entry that states each device of a ward: what its
// station must know.
func (m *Machine) DevicesOf(w record.WardCode, f func(Row) error) error {
	var at []uint64
	err := m.view(func(tx *badger.Txn) error {
		for _, of := range []record.WardCode{w, unknownWard} {
			prefix := hersKey(of, "")
			err := scan(tx, prefix, nil, false, func(k, _ []byte) error {
				r, known, err := deviceAt(tx, string(k[len(prefix):]))
				if known {
					at = append(at, r.Index)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
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
