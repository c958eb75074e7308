package fsm

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"wardline/sync/record"
	"wardline/sync/trust"
)

// maxOldSecrets is how many resume secrets that were replaced are remembered: who shows
// one of them has a copy of the machine's disk, as old as they are.
const maxOldSecrets = 16

// maxTokenMS is the longest that a token may be good: a month, in milliseconds.
const maxTokenMS = 31 * 24 * 3600 * 1000

// MachineRow is what the city knows of a machine. Of secrets it holds SHA-256 sums.
type MachineRow struct {
	Name trust.Name `json:"name"`
	// Epoch counts its enrolments by token; certificates of earlier ones are void.
	Epoch uint32   `json:"epoch"`
	Names []string `json:"names,omitempty"`
	// Key is the sum of the public key of its latest certificate.
	Key record.Hash `json:"key,omitzero"`
	// At is the city's time of its latest enrolment or renewal, milliseconds since
	// the Unix epoch, UTC.
	At int64 `json:"at,omitempty"`
	// Held: two machines showed that they are it.
	Held    bool `json:"held,omitempty"`
	Revoked bool `json:"revoked,omitempty"`

	Resume     record.Hash   `json:"resume,omitzero"`
	Old        []record.Hash `json:"old,omitempty"` // the newest first
	Token      record.Hash   `json:"token,omitzero"`
	TokenNames []string      `json:"token_names,omitempty"`
	TokenUntil int64         `json:"token_until,omitempty"` // city time
	TokenKey   record.Hash   `json:"token_key,omitzero"`    // the key for which it was used
}

// MachineStates are the words of State.
var MachineStates = []string{"waiting", "enrolled", "held", "revoked"}

// State is how the machine's enrolment stands, in a word.
func (r MachineRow) State() string {
	switch {
	case r.Revoked:
		return "revoked"
	case r.Held:
		return "held"
	case r.Epoch == 0:
		return "waiting"
	}
	return "enrolled"
}

// Machines is a reading of what the city knows of all machines.
type Machines struct {
	// Oldest and Current are the generations of the authority that are trusted.
	Oldest, Current uint32
	// Of are the machines by name. A founding core node stands in it only once it was
	// revoked or given a token.
	Of map[trust.Name]MachineRow
	// Log are the turns of the log's key, the first of them brings its second key.
	Log []LogTurn
}

// LogTurn is a turn of the key that signs the log.
type LogTurn struct {
	// Index is the entry that brings the next key, which signs from it on; At the city's time then.
	Index uint64 `json:"index"`
	At    int64  `json:"at"`
	// Note is how the key of before names the next (audit.Signer.Succeed).
	Note []byte `json:"note"`
}

// Check says whether a machine whose certificate is good may speak.
func (m *Machines) Check(p trust.Peer) error {
	r, known := m.Of[p.Name]
	if p.Name.Kind == trust.Node {
		return r.checkNode(p)
	}
	switch {
	case known && r.Revoked, !known && p.Name.Kind == trust.Station:
		return trust.ErrRevoked
	case known && r.Held:
		return trust.ErrHeld
	case p.Epoch != r.Epoch:
		return trust.ErrRevoked
	}
	return nil
}

// checkNode lets a later enrolment pass than this state knows of: a node that was away
// must take the log from a leader that was enrolled meanwhile, and learns of it by that.
func (r MachineRow) checkNode(p trust.Peer) error {
	switch {
	case p.Epoch < r.Epoch, p.Epoch == r.Epoch && r.Revoked:
		return trust.ErrRevoked
	case p.Epoch == r.Epoch && r.Held:
		return trust.ErrHeld
	}
	return nil
}

func noMachines() *Machines {
	return &Machines{Oldest: 1, Current: 1, Of: map[trust.Name]MachineRow{}}
}

// Machines is what is committed, as this node has applied it; not to be changed.
func (m *Machine) Machines() *Machines { return m.trusted.Load() }

// loadMachines reads what is committed; for the applying goroutine.
func (m *Machine) loadMachines() error {
	next := noMachines()
	err := m.db.View(func(tx *badger.Txn) error {
		a, err := authority(tx)
		if err != nil {
			return err
		}
		next.Oldest, next.Current = a.Oldest, a.Current
		if next.Log, err = logTurns(tx); err != nil {
			return err
		}
		return scan(tx, []byte{rowMachine}, nil, true, func(_, v []byte) error {
			r, err := decodeMachine(v)
			next.Of[r.Name] = r
			return err
		})
	})
	m.trusted.Store(next)
	return err
}

type generations struct{ Oldest, Current uint32 }

func authority(tx *badger.Txn) (generations, error) {
	g := generations{1, 1}
	v, err := get(tx, []byte{rowAuthority})
	if err != nil || v == nil {
		return g, err
	}
	if err := json.Unmarshal(v, &g); err != nil {
		return g, fmt.Errorf("%w: %w", errRow, err)
	}
	return g, nil
}

func decodeMachine(v []byte) (r MachineRow, err error) {
	if err = json.Unmarshal(v, &r); err != nil {
		err = fmt.Errorf("%w: %w", errRow, err)
	}
	return r, err
}

func machineKey(n trust.Name) []byte { return append([]byte{rowMachine}, n.String()...) }

func (b *batch) machineRow(n trust.Name) (MachineRow, bool, error) {
	v, err := get(b.tx, machineKey(n))
	if err != nil || v == nil {
		return MachineRow{Name: n}, false, err
	}
	r, err := decodeMachine(v)
	return r, true, err
}

func (b *batch) setMachine(r MachineRow) error {
	v, err := json.Marshal(r)
	if err != nil {
		return err
	}
	b.trusts = true
	return b.set(machineKey(r.Name), v)
}

// machine takes an entry about machines. What is refused leaves no entry, but
// for the alarm that it may be worth.
func (b *batch) machine(body *record.Body) (Result, error) {
	c, err := trust.DecodeChange(body.Payload.Data)
	if err != nil {
		return Result{Status: Refused, Detail: err.Error()}, nil
	}
	refuse := func(err error) (Result, error) {
		return Result{Status: Refused, Detail: err.Error(), Word: trust.Word(err)}, nil
	}
	switch c.Op {
	case trust.OpRotate, trust.OpRetire:
		return b.rotate(body, c)
	case trust.OpLogKey:
		return b.turnLog(body, c)
	}
	if _, err := trust.ParseName(c.Name.String()); err != nil {
		return refuse(err)
	}
	r, known, err := b.machineRow(c.Name)
	if err != nil {
		return Result{}, err
	}
	switch c.Op {
	case trust.OpToken:
		if c.ForMS <= 0 || c.ForMS > maxTokenMS {
			return refuse(fmt.Errorf("a token is good for at most %d days", maxTokenMS/(24*3600*1000)))
		}
		r.Token, r.TokenNames, r.TokenUntil, r.TokenKey = c.Secret, c.Names, max(b.meta.time, body.ReceivedAt)+c.ForMS, record.Hash{}
	case trust.OpEnrol:
		if err := b.enrol(&r, c); err != nil {
			return refuse(err)
		}
	case trust.OpRenew:
		if !known {
			return refuse(trust.ErrToken)
		}
		if verdict, err := b.renew(&r, c); err != nil || verdict != nil {
			if err != nil {
				return Result{}, err
			}
			return refuse(verdict)
		}
	case trust.OpRevoke:
		if !known && c.Name.Kind != trust.Node {
			return refuse(fmt.Errorf("no machine is called %s", c.Name))
		}
		if c.Name.Kind == trust.Node && c.Epoch != r.Epoch {
			return refuse(fmt.Errorf("%s was enrolled meanwhile; look at it again (wardline enrol list)", c.Name))
		}
		r.Revoked, r.Token = true, record.Hash{}
	default:
		return refuse(fmt.Errorf("%.40q is nothing that can be said of a machine", c.Op))
	}
	if err := b.setMachine(r); err != nil {
		return Result{}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	if c.Op == trust.OpRevoke && c.Name.Kind == trust.Node { // stations must not speak with it any more
		if err := b.set(append([]byte{rowActive, activeRevoked}, c.Name.ID...), u64(nil, n)); err != nil {
			return Result{}, err
		}
		return b.where(OK, n, b.announce(n))
	}
	return b.where(OK, n, nil)
}

// enrol takes a token: once, for one key. The same again, because an answer was
// lost, is the same entry (its id) and does not come here.
func (b *batch) enrol(r *MachineRow, c trust.Change) error {
	switch {
	case r.Token == (record.Hash{}), r.Token != c.Secret, b.meta.time > r.TokenUntil, r.TokenKey != (record.Hash{}):
		return trust.ErrToken
	}
	r.Epoch++
	r.Names, r.Key, r.Resume, r.Old, r.At = r.TokenNames, c.Key, c.Next, nil, b.meta.time
	r.TokenKey, r.Held, r.Revoked = c.Key, false, false
	return nil
}

// renew takes a resume secret. One that was replaced already shows that two
// machines live on copies of one disk: neither may speak until one is enrolled anew. A
// secret that never was one changes nothing: else a stranger could hold a ward off.
func (b *batch) renew(r *MachineRow, c trust.Change) (verdict, err error) {
	switch {
	case r.Revoked:
		return trust.ErrRevoked, nil
	case r.Held:
		return trust.ErrHeld, nil
	case c.Secret == r.Resume:
		r.Old = slices.Insert(r.Old, 0, r.Resume)
		r.Old = r.Old[:min(len(r.Old), maxOldSecrets)]
		r.Resume, r.Key, r.At = c.Next, c.Key, b.meta.time
		return nil, nil
	case slices.Contains(r.Old, c.Secret):
		r.Held = true
		if err := b.setMachine(*r); err != nil {
			return nil, err
		}
		o, ok := r.Name.Origin()
		if !ok {
			o = record.Origin(r.Name.ID) // a core node
		}
		err := b.alarm("two-claimants", record.ChainID{Origin: o, Incarnation: record.Incarnation(r.Epoch)},
			fmt.Sprintf("two machines claim to be %s: one showed a secret that the other had replaced; both are held off until one is enrolled anew (wardline enrol %s)", r.Name, r.Name))
		return trust.ErrHeld, err
	}
	return trust.ErrToken, nil
}

// rotate begins the next generation of the authority, or ends the one before.
func (b *batch) rotate(body *record.Body, c trust.Change) (Result, error) {
	a, err := authority(b.tx)
	if err != nil {
		return Result{}, err
	}
	next := generations{a.Current, a.Current + 1}
	if c.Op == trust.OpRetire {
		next = generations{a.Current, a.Current}
	}
	if next == a || c.Oldest != next.Oldest || c.Current != next.Current {
		return Result{Status: Refused, Detail: fmt.Sprintf("the authority's generations %d to %d are trusted; this would make it %d to %d", a.Oldest, a.Current, c.Oldest, c.Current)}, nil
	}
	v, err := json.Marshal(next)
	if err != nil {
		return Result{}, err
	}
	b.trusts = true
	if err := b.set([]byte{rowAuthority}, v); err != nil {
		return Result{}, err
	}
	if _, _, err := b.putCore(body, body.HLC, body.Kind, 0); err != nil {
		return Result{}, err
	}
	n := b.meta.index
	if err := b.set([]byte{rowActive, activeAuthority}, u64(nil, n)); err != nil {
		return Result{}, err
	}
	return b.where(OK, n, b.announce(n))
}
