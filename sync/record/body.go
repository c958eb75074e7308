package record

import (
	"encoding/binary"
	"fmt"
)

// Limits of a body, in bytes and counts.
const (
	// MaxBody bounds one encoded body: a part of a ward import is the largest
	// (200 KiB of data). It stays far below Badger's value threshold at the
	// station, so that no value ever goes to the value log.
	MaxBody = 256 << 10
	// MaxDeps bounds what an edit says it has seen. Leaving some out only
	// makes the edit look concurrent.
	MaxDeps = 16
	// maxName bounds names (officers, devices, units, patrols).
	maxName = 128
	// maxList bounds lists inside a payload.
	maxList = 512
)

const bodyVersion = 1

// ActorKind says who acted.
type ActorKind uint8

// The kinds of actors.
const (
	BySystem  ActorKind = 0
	ByDevice  ActorKind = 1
	ByOfficer ActorKind = 2
)

// Actor is who acted: a device by its id, an officer by user name and unit, or
// a part of the system.
type Actor struct {
	Kind ActorKind
	Name string
	Unit UnitID
}

// Body is what an entry states; encoded once, by its author.
type Body struct {
	ID       ID
	Incident ID // zero: about no incident
	Kind     Kind
	Origin   Origin // where it was written; the link names the same
	Actor    Actor
	// Deps are the heads of the incident that the author had seen.
	Deps []ID
	HLC  HLC
	// Clock is the state of the author's clock at HLC.
	Clock ClockState
	// CapturedAt and ReceivedAt are milliseconds since the Unix epoch, UTC: when
	// it happened as far as the source can say (corrected by sent_at), and when
	// a door received it.
	CapturedAt, ReceivedAt int64
	Payload                Payload
}

// Flags mark what people must see beside a report.
type Flags uint64

// The flags.
const (
	// FlagClock: the source's time was implausible; deadlines run from ReceivedAt.
	FlagClock Flags = 1 << iota
	// FlagOtherContent: came under an id that another content already had.
	FlagOtherContent
	// FlagSilent: a duress or silent alarm, never shown or rung at its place.
	FlagSilent
	// FlagOffline: written while the line to the city was cut.
	FlagOffline
	// FlagUnknownCode: a panel code that no list has.
	FlagUnknownCode
	// FlagShortAccount: a panel account shorter than its protocol says.
	FlagShortAccount
	// FlagApproximate: routed by nearest centre, not by a boundary.
	FlagApproximate
	// FlagCancelled: the source says that its alarm was cancelled.
	FlagCancelled
	// FlagOutside: the place lies outside every ward.
	FlagOutside
	// FlagSummary: the sealed part holds a new summary of the incident.
	FlagSummary
	// FlagAlone: routed by a station alone, while the city was away.
	FlagAlone
	// FlagSoon: the erasure does not wait for the next turn of the wrapping keys.
	FlagSoon
	// FlagExercise: the report is practice, of the exercise that Payload.Target names; set
	// at birth or never.
	FlagExercise Flags = 1 << 20
)

// Medium is a photo, clip or document named by its content.
type Medium struct {
	SHA256 Hash   `json:"sha256"`
	Type   string `json:"type"`
	Bytes  uint64 `json:"bytes"`
}

// Deadline is when a step must be done, milliseconds since the Unix epoch, UTC.
type Deadline struct {
	Step string `json:"step"`
	At   int64  `json:"at"`
}

// Signal is what a panel said.
type Signal struct {
	Protocol  string `json:"protocol"`
	Account   string `json:"account"`
	Qualifier string `json:"qualifier"`
	Code      string `json:"code"`
	Group     string `json:"group"`
	Zone      string `json:"zone"`
}

// Payload is the closed set of things that an entry can state; each kind uses
// some of them. Zero values are not written.
type Payload struct {
	Report       ID
	Fingerprint  Hash // of the report's fields, see package report
	Category     Category
	Priority     Priority
	Place        *Place
	Unit, ToUnit UnitID
	ToOfficer    string
	Reason       string // a word of a closed list; free text is sealed
	Epoch        uint32
	Target       ID
	Incidents    []ID
	Patrol       string
	Media        []Medium
	Signal       *Signal
	Told         []UnitID
	Lead         UnitID
	Deadlines    []Deadline
	Rules        uint32 // version of the rules, or of the imported data
	Algorithm    uint32
	Flags        Flags
	Sealed       *Sealed
	Until        int64 // milliseconds since the Unix epoch, UTC
	Step         string
	Ward         WardCode // of the device or door
	Distance     uint32   // metres
	Data         []byte
	Part, Parts  uint32
	Index        uint64 // a city index
}

// Encode writes the body. It fails when a limit is broken; what our own doors
// and desks write is checked before.
func (b *Body) Encode() ([]byte, error) {
	if len(b.Deps) > MaxDeps {
		return nil, fmt.Errorf("record: %d deps, at most %d", len(b.Deps), MaxDeps)
	}
	if !b.Kind.Valid() {
		return nil, fmt.Errorf("record: kind %d is not in the list", b.Kind)
	}
	if len(b.Origin) == 0 || len(b.Origin) > MaxOrigin || len(b.Actor.Name) > maxName || len(b.Actor.Unit) > maxName {
		return nil, fmt.Errorf("record: origin (1 to %d bytes) or actor (up to %d) too long", MaxOrigin, maxName)
	}
	out := make([]byte, 0, 256+len(b.Payload.Data)+b.Payload.Sealed.size())
	out = append(out, bodyVersion)
	out = append(out, b.ID[:]...)
	out = append(out, b.Incident[:]...)
	out = append(out, byte(b.Kind), byte(b.Clock))
	out = binary.BigEndian.AppendUint64(out, uint64(b.HLC))
	out = binary.BigEndian.AppendUint64(out, uint64(b.CapturedAt))
	out = binary.BigEndian.AppendUint64(out, uint64(b.ReceivedAt))
	out = appendString(out, string(b.Origin))
	out = append(out, byte(b.Actor.Kind))
	out = appendString(out, b.Actor.Name)
	out = appendString(out, string(b.Actor.Unit))
	out = append(out, byte(len(b.Deps)))
	for _, d := range b.Deps {
		out = append(out, d[:]...)
	}
	out, err := b.Payload.append(out)
	if err != nil {
		return nil, err
	}
	if len(out) > MaxBody {
		return nil, fmt.Errorf("record: body of %d bytes, at most %d", len(out), MaxBody)
	}
	return out, nil
}

// DecodeBody reads a body. Fields that a newer version added are skipped; the
// bytes themselves are never rewritten.
func DecodeBody(p []byte) (Body, error) {
	var b Body
	if len(p) == 0 {
		return b, fmt.Errorf("%w: empty body", ErrCorrupt)
	}
	if p[0] != bodyVersion {
		return b, ErrVersion
	}
	r := reader{b: p[1:]}
	copy(b.ID[:], r.take(16))
	copy(b.Incident[:], r.take(16))
	b.Kind = Kind(r.byte())
	b.Clock = ClockState(r.byte())
	b.HLC = HLC(r.uint64())
	b.CapturedAt = int64(r.uint64())
	b.ReceivedAt = int64(r.uint64())
	if o := r.bytes(); string(o) == string(CoreOrigin) {
		b.Origin = CoreOrigin
	} else {
		b.Origin = Origin(o)
	}
	b.Actor.Kind = ActorKind(r.byte())
	b.Actor.Name = string(r.bytes())
	b.Actor.Unit = UnitID(r.bytes())
	n := int(r.byte())
	if n > MaxDeps || len(b.Origin) == 0 || len(b.Origin) > MaxOrigin || b.Clock > ClockSure || b.Actor.Kind > ByOfficer {
		r.bad = true
	}
	if n > 0 && !r.bad {
		b.Deps = make([]ID, n)
		for i := range b.Deps {
			copy(b.Deps[i][:], r.take(16))
		}
	}
	b.Payload.read(&r)
	if r.bad {
		return Body{}, fmt.Errorf("%w: body", ErrCorrupt)
	}
	return b, nil
}

// Peek reads only what an index needs: id, incident and kind.
func Peek(p []byte) (id, incident ID, kind Kind, err error) {
	if len(p) < 34 {
		return id, incident, 0, fmt.Errorf("%w: body cut short", ErrCorrupt)
	}
	if p[0] != bodyVersion {
		return id, incident, 0, ErrVersion
	}
	copy(id[:], p[1:17])
	copy(incident[:], p[17:33])
	return id, incident, Kind(p[33]), nil
}
