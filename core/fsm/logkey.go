package fsm

import (
	"encoding/json"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// maxLogTurns bounds the turns of the log's key, as audit.Verify does.
const maxLogTurns = 64

// maxLogNote bounds the note of one.
const maxLogNote = 1 << 10

var keyLogTurns = []byte{rowAuthority, 'l'}

func logTurns(tx *badger.Txn) (list []LogTurn, err error) {
	v, err := get(tx, keyLogTurns)
	if err != nil || v == nil {
		return nil, err
	}
	if err := json.Unmarshal(v, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", errRow, err)
	}
	return list, nil
}

// turnLog goes on to the next key of the log, which an entry brings that stands in the log.
func (b *batch) turnLog(body *record.Body, c trust.Change) (Result, error) {
	list, err := logTurns(b.tx)
	if err != nil {
		return Result{}, err
	}
	if int(c.Current) != len(list)+2 || len(list) >= maxLogTurns || len(c.Log) == 0 || len(c.Log) > maxLogNote {
		return Result{Status: Refused, Detail: fmt.Sprintf("the log is signed with its key %d, of at most %d; this would be its key %d", len(list)+1, maxLogTurns+1, c.Current)}, nil
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	v, err := json.Marshal(append(list, LogTurn{n, b.meta.time, c.Log}))
	if err != nil {
		return Result{}, err
	}
	b.trusts = true
	if err := b.set(keyLogTurns, v); err != nil {
		return Result{}, err
	}
	return b.where(OK, n, nil)
}
