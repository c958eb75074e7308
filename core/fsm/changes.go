package fsm

import (
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
)

// changesCity says whether an entry is one by which an officer changed how the city
// works: what an administrator's list of changes shows. The parts of an import of wards
// are not named one by one; the entry by which they take effect is.
func changesCity(body *record.Body) bool {
	return body.Origin == record.CoreOrigin && body.Kind.Directory() && body.Kind != record.KindWards && body.Actor.Kind == record.ByOfficer
}

// Changes lists the entries by which officers changed how the city works, newest
// first, those before a city index (0: from the last on), at most limit.
func (m *Machine) Changes(before uint64, limit int) (list []Row, err error) {
	if before == 0 {
		before = 1<<64 - 1
	}
	err = m.view(func(tx *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.Prefix, opt.Reverse, opt.PrefetchValues = []byte{rowChange}, true, false
		it := tx.NewIterator(opt)
		defer it.Close()
		for it.Seek(indexKey(rowChange, before-1)); it.Valid() && len(list) < limit; it.Next() {
			k := it.Item().Key()
			if len(k) != 9 {
				return errRow
			}
			e, err := entryAt(tx, binary.BigEndian.Uint64(k[1:]))
			if err != nil {
				return err
			}
			r, err := e.out()
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// ImportedRules are the entries of the rules that were imported, by version ascending.
func (m *Machine) ImportedRules() (list []Row, err error) {
	err = m.view(func(tx *badger.Txn) error {
		return scan(tx, []byte{rowActive, activeRules}, nil, true, func(_, v []byte) error {
			e, err := entryAt(tx, beIndex(v))
			if err != nil {
				return err
			}
			r, err := e.out()
			list = append(list, r)
			return err
		})
	})
	return list, err
}
