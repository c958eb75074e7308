package record

// Kind says what an entry states; a closed list. Numbers are part of the
// stored format, names part of the interface.
type Kind uint8

// The kinds of entries.
const (
	// KindReport: a source reported something; opens its incident.
	KindReport Kind = 1
	// KindSignal: a device said more about an incident that it opened: the
	// same alarm again, its restore, its cancel.
	KindSignal Kind = 2
	// KindStatus: a device's own state changed (mains lost, line silent); no incident.
	KindStatus Kind = 3

	// KindRouted: rules chose the lead and who is told.
	KindRouted Kind = 10
	// KindMissed: a deadline passed; one derived id per incident, step and epoch.
	KindMissed Kind = 11
	// KindSuggested: two incidents are probably about the same event, and why.
	KindSuggested Kind = 12
	// KindVoid: the city found an entry void (its author was revoked or out of scope).
	KindVoid Kind = 13
	// KindTick: city time advances.
	KindTick Kind = 14
	// KindAlarm: something about the line itself must be seen: a rollback, a
	// clone, a fork, a cut tail.
	KindAlarm Kind = 15
	// KindErasure: the keys of what identifies people in a closed incident are to be
	// destroyed, up to the epoch that it names; it is never taken back.
	KindErasure Kind = 16
	// KindErased: a station, or the core node that Payload.Patrol names, has destroyed
	// every wrapping key that could open what was erased up to a city index (Payload.Index).
	KindErased Kind = 17

	KindClaim    Kind = 20
	KindRelease  Kind = 21
	KindClassify Kind = 22
	KindVerify   Kind = 23
	KindForward  Kind = 24
	KindAccept   Kind = 25
	KindDispatch Kind = 26
	KindArrive   Kind = 27
	KindResolve  Kind = 28
	KindClose    Kind = 29
	KindReopen   Kind = 30
	KindNote     Kind = 31
	KindContact  Kind = 32
	KindMerge    Kind = 33
	KindSplit    Kind = 34
	KindPark     Kind = 35
	KindHandover Kind = 36
	// KindWithdraw names one entry (Payload.Target) that no longer counts.
	KindWithdraw Kind = 37
	// KindRedact hides a note or a medium (Payload.Target), with a reason.
	KindRedact Kind = 38
	// KindOpened: an officer opened the sealed identity of who reported
	// (Payload.Target), with a reason. It is never taken back.
	KindOpened Kind = 39
	// KindReal: an officer said that a report of an exercise is a real one. It is never
	// taken back, and no kind says the opposite: a false mark could bury an emergency.
	KindReal Kind = 40

	// KindRules: a set of routing rules, or a part of the wards, as data.
	KindRules Kind = 50
	// KindWards: one part of an import of ward boundaries.
	KindWards Kind = 51
	// KindActivate: imported rules or wards take effect.
	KindActivate Kind = 52
	// KindAccount: an officer's account as it stands from now on: role, unit,
	// whether it is disabled; its password's verifier is sealed.
	KindAccount Kind = 53

	// KindPassword: a ward's officer chose a new password at the ward's station; its verifier
	// is sealed. Payload.Target is the account's entry that it builds on.
	KindPassword Kind = 54
	// KindDevice: a device's credential was made or revoked.
	KindDevice Kind = 55
	// KindMachine: a station or a core node may enrol, enrolled, renewed or was
	// revoked; or the city's certificate authority changed.
	KindMachine Kind = 56
	// KindExercise: an exercise as it stands from now on (package exercise).
	KindExercise Kind = 57

	// KindBroadcast: a public warning (CAP 1.2), its update or its cancel, for the
	// wards of Payload.Told until Payload.Until; Payload.Target is the one that it is about.
	KindBroadcast Kind = 70
	// KindReached: how many devices of a ward a warning (Payload.Target) has reached.
	KindReached Kind = 71
	// KindPoints: one part of a set of places of help (hydrants, clinics); Payload.Rules
	// is the set's version. The newest set of which every part is there is in effect.
	KindPoints Kind = 72

	// KindRepeat stands in the city's order alone: a report's second arrival.
	KindRepeat Kind = 61
)

var kindNames = map[Kind]string{
	KindReport: "report", KindSignal: "signal", KindStatus: "status", KindRouted: "routed", KindMissed: "missed",
	KindSuggested: "suggested", KindVoid: "void", KindTick: "tick", KindAlarm: "alarm",
	KindErasure: "erasure", KindErased: "erased",
	KindClaim: "claim", KindRelease: "release", KindClassify: "classify", KindVerify: "verify", KindForward: "forward",
	KindAccept: "accept", KindDispatch: "dispatch", KindArrive: "arrive", KindResolve: "resolve", KindClose: "close",
	KindReopen: "reopen", KindNote: "note", KindContact: "contact", KindMerge: "merge", KindSplit: "split",
	KindPark: "park", KindHandover: "handover", KindWithdraw: "withdraw", KindRedact: "redact", KindOpened: "opened", KindReal: "real",
	KindRules: "rules", KindWards: "wards", KindActivate: "activate", KindAccount: "account", KindPassword: "password", KindDevice: "device", KindMachine: "machine", KindExercise: "exercise", KindRepeat: "repeat",
	KindBroadcast: "broadcast", KindReached: "reached", KindPoints: "points",
}

var kindsByName = func() map[string]Kind {
	m := make(map[string]Kind, len(kindNames))
	for k, n := range kindNames {
		m[n] = k
	}
	return m
}()

// String is the kind's name in interfaces.
func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return "unknown"
}

// Valid says whether the kind is one of the list.
func (k Kind) Valid() bool { _, ok := kindNames[k]; return ok }

// ActionKind is the kind of an officer's action by its name in the interface. An
// opening is none of them: it comes with what was opened.
func ActionKind(name string) (Kind, bool) {
	k, ok := kindsByName[name]
	return k, ok && k.Action() && k != KindOpened
}

// Action says whether officers write this kind.
func (k Kind) Action() bool { return k >= KindClaim && k <= KindReal }

// Directory says whether entries of this kind tell the stations how the city
// works, not what happened: rules and wards, accounts and their passwords, devices and machines.
func (k Kind) Directory() bool { return k >= KindRules && k <= KindExercise }

// DirectoryID is where a ledger finds entries of the directory kinds, which
// belong to no incident.
var DirectoryID = DerivedID("directory")

// ErasuresID is where a ledger finds what the city had it erase.
var ErasuresID = DerivedID("erasures")

// DevicesID is where a ledger finds what the city said of devices: there are many, and
// they are read apart from the rest of the directory.
var DevicesID = DerivedID("devices")

// BroadcastsID is where a ledger finds warnings, and how far each has reached.
var BroadcastsID = DerivedID("broadcasts")

// PointsID is where a ledger finds the parts of places of help.
var PointsID = DerivedID("points")

// Broadcast says whether entries of this kind are about a public warning.
func (k Kind) Broadcast() bool { return k == KindBroadcast || k == KindReached }

// MarshalText is the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// AlarmClone is the reason of an alarm (Payload.Reason) that says that two disks
// of one station are at work.
const AlarmClone = "clone"

// AlarmPassword is the reason of an alarm that says that a password which was chosen at a
// station does not hold.
const AlarmPassword = "password"
