package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"wardline/sync/record"
)

// Account is an officer's account as one entry of the city's log states it; the
// latest entry of a name is in effect. The password's verifier is sealed: an entry in
// a log or on a disk says nothing of it without the key that travels beside it.
type Account struct {
	User     string        `json:"user"`
	Role     Role          `json:"role"`
	Unit     record.UnitID `json:"unit"`
	Disabled bool          `json:"disabled,omitempty"`
	// MustChange: the password was set by somebody else; it lets its officer do
	// nothing but choose another.
	MustChange bool `json:"must_change,omitempty"`
	// Reason is why the entry was written, in the words of who wrote it.
	Reason string `json:"reason,omitempty"`

	// Index is the entry's place in the city's order, By who wrote it, At when,
	// milliseconds since the Unix epoch, UTC.
	Index uint64 `json:"-"`
	By    string `json:"-"`
	At    int64  `json:"-"`
	// Entry is the entry's id.
	Entry record.ID `json:"-"`
	// Sealed holds the password's verifier. Its key's name changes with each new
	// password, and with it ends what was begun under the old one.
	Sealed record.Sealed `json:"-"`
}

// Limits of an account, in characters.
const (
	maxUser   = 64
	minUser   = 2
	maxReason = 200
)

// ErrAccount says that an entry states no account.
var ErrAccount = errors.New("identity: not an account")

// ValidUser says whether a name can be an account's: it stands in logs, entries and
// paths. Case makes no difference when logging in; the account's own is lower.
func ValidUser(user string) bool {
	for _, c := range []byte(user) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '@') {
			return false
		}
	}
	return len(user) >= minUser && len(user) <= maxUser
}

// ValidUnit says whether a name can be a unit's: a ward's by its form, command, or a
// department's code.
func ValidUnit(u record.UnitID) bool {
	if s, ok := strings.CutPrefix(string(u), "ward/"); ok {
		return record.WardCode(s).Valid()
	}
	if u == record.Command {
		return true
	}
	for _, c := range []byte(u) {
		if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return len(u) >= 2 && len(u) <= 16
}

// Validate names every field that is wrong.
func (a *Account) Validate() error {
	var f faults
	if !ValidUser(a.User) {
		f.add("user", fmt.Sprintf("use %d to %d of a-z, 0-9, '-', '_', '.' and '@'", minUser, maxUser), "%q is no name for an account", a.User)
	}
	_, ward := a.Unit.Ward()
	switch {
	case !slices.Contains(Roles, a.Role):
		f.add("role", fmt.Sprintf("use one of %v", Roles), "%q is no role", a.Role)
	case !ValidUnit(a.Unit):
		f.add("unit", "write command, a department such as PC07, or ward/ and the ward's code", "%q is no unit", a.Unit)
	case ward != (a.Role == WardOfficer) && a.Role != Supervisor:
		f.add("unit", "a ward officer's unit is ward/ and the ward's code, a department officer's the department's, of the others command; a supervisor's may be any", "%q does not fit a %s", a.Unit, a.Role)
	case a.Role == DepartmentOfficer && a.Unit == record.Command, a.Role != WardOfficer && a.Role != DepartmentOfficer && a.Role != Supervisor && a.Unit != record.Command:
		f.add("unit", "a department officer's is a department such as PC07, of a command officer, an administrator and an auditor command", "%q does not fit a %s", a.Unit, a.Role)
	}
	if len(a.Reason) > 4*maxReason {
		f.add("reason", fmt.Sprintf("use at most %d characters", maxReason), "is too long")
	}
	return errors.Join(f...)
}

// Payload is the account as an entry states it; base is the index of the entry that
// it replaces, 0 for a new one.
func (a *Account) Payload(base uint64) (record.Payload, error) {
	data, err := json.Marshal(a)
	s := a.Sealed
	return record.Payload{ToOfficer: a.User, Index: base, Data: data, Sealed: &s}, err
}

// AccountOf reads an account from its entry at a place in the city's order.
func AccountOf(b *record.Body, index uint64) (Account, error) {
	var a Account
	if b.Kind != record.KindAccount || b.Origin != record.CoreOrigin || b.Payload.Sealed == nil {
		return a, ErrAccount
	}
	if err := json.Unmarshal(b.Payload.Data, &a); err != nil {
		return a, fmt.Errorf("%w: %w", ErrAccount, err)
	}
	if a.User != b.Payload.ToOfficer {
		return a, fmt.Errorf("%w: two names", ErrAccount)
	}
	a.Index, a.Entry, a.By, a.At, a.Sealed = index, b.ID, b.Actor.Name, b.ReceivedAt, *b.Payload.Sealed
	return a, a.Validate()
}

// Officer is who the account is for.
func (a *Account) Officer() Officer {
	return Officer{User: a.User, Role: a.Role, Unit: a.Unit, MustChange: a.MustChange, Cred: [8]byte(a.Sealed.Key[:8])}
}

// LogsInAt says whether the account may log in at a ward's station: the ward's own, and
// those of the command centre. A department's desk stands at the core. A station that
// an account is not for gets no verifier, so that a stolen disk gives none to guess at.
func (a *Account) LogsInAt(w record.WardCode) bool {
	return a.Unit == record.Command || a.Unit == record.WardUnit(w)
}

// Change is what an administrator, or the officer, wants an account to be. What is nil
// stays as it is.
type Change struct {
	User       string
	New        bool // there must be no account of this name
	Role       *Role
	Unit       *record.UnitID
	Disabled   *bool
	Verifier   *string // of a new password
	MustChange bool    // of the new password
	Reason     string
}

// Apply is the account after the change, without the seal of a new password. The
// error names the field.
func (c *Change) Apply(old Account) (Account, error) {
	a := old
	a.User, a.Reason = c.User, c.Reason
	if c.Role != nil {
		a.Role = *c.Role
	}
	if c.Unit != nil {
		a.Unit = *c.Unit
	}
	if c.Disabled != nil {
		a.Disabled = *c.Disabled
	}
	var f faults
	if c.Verifier != nil {
		a.MustChange = c.MustChange
	} else if c.New {
		f.add("password", "give one, or let one be made", "is missing")
	} else if old.Disabled && !a.Disabled {
		f.add("disabled", "an account comes back with a new password: reset it, which also enables it", "has only the old password")
	}
	return a, errors.Join(a.Validate(), errors.Join(f...))
}

// Chosen is the id of the account's entry that follows from the entry of a password that
// was chosen at a station (record.KindPassword).
func Chosen(password record.ID) record.ID { return record.DerivedID("password", password[:]) }

// Choose is the account after its officer chose a password at the station of a ward, by
// an entry of that station; false when it does not hold: the account is another by now,
// disabled, or not one of this ward. A station speaks for the officers of its own ward
// alone, so that a stolen one takes over nobody else's account.
func (a *Account) Choose(b *record.Body, w record.WardCode) (Account, bool) {
	if b.Kind != record.KindPassword || b.Payload.Sealed == nil || b.Payload.Target != a.Entry || a.User != b.Payload.ToOfficer || a.Disabled || a.Unit != record.WardUnit(w) {
		return *a, false
	}
	next := *a
	next.Entry, next.Sealed, next.MustChange, next.By, next.Reason = Chosen(b.ID), *b.Payload.Sealed, false, a.User, "chosen by its officer at the ward"
	return next, true
}
