package record

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Rank orders the steps of an incident within one epoch.
type Rank uint8

// The ranks; the status is the largest (epoch, rank) that was reached.
const (
	RankReceived Rank = iota
	RankClassified
	RankVerified
	RankDispatched
	RankOnScene
	RankResolved
	RankClosed
)

var rankNames = [...]string{"received", "classified", "verified", "dispatched", "on_scene", "resolved", "closed"}

// String is the status in interfaces.
func (r Rank) String() string { return rankNames[min(int(r), len(rankNames)-1)] }

// Statuses are the words of the status in interfaces, in order.
var Statuses = []string{"received", "claimed", "classified", "verified", "dispatched", "on_scene", "resolved", "closed"}

// Author says who wrote an entry, where, and when by the author's clock.
type Author struct {
	Entry   ID         `json:"entry"`
	Kind    ActorKind  `json:"kind"`
	Name    string     `json:"name"`
	Unit    UnitID     `json:"unit,omitempty"`
	Origin  Origin     `json:"origin"`
	HLC     HLC        `json:"hlc"`
	Clock   ClockState `json:"clock"`
	Offline bool       `json:"offline,omitempty"`
}

// Value is one value of a field, and who gave it.
type Value struct {
	Value string `json:"value"`
	By    Author `json:"by"`
}

// Conflict is a field for which several values stand that no author has seen
// together. Shown is the winner, Others stay visible until an edit that has
// seen all of them.
type Conflict struct {
	Field  string  `json:"field"`
	Shown  Value   `json:"shown"`
	Others []Value `json:"others"`
}

// Arrival is a report at one door.
type Arrival struct {
	Report      ID       `json:"report"`
	Fingerprint Hash     `json:"fingerprint"`
	Category    Category `json:"category"`
	Place       *Place   `json:"place,omitempty"`
	CapturedAt  int64    `json:"captured_at"`
	ReceivedAt  int64    `json:"received_at"`
	Ward        WardCode `json:"ward,omitempty"`
	Flags       Flags    `json:"flags,omitempty"`
	Media       []Medium `json:"media,omitempty"`
	Signal      *Signal  `json:"signal,omitempty"`
	// Exercise is that of which the source said to be part; zero: it is real.
	Exercise ID     `json:"exercise,omitzero"`
	By       Author `json:"by"`
}

// Progress is how far one told unit is.
type Progress uint8

// The steps of a unit.
const (
	Told Progress = iota
	Seen
	Accepted
	Forwarded
	Done
)

var progressNames = [...]string{"told", "seen", "accepted", "forwarded", "done"}

// String is the progress in interfaces.
func (p Progress) String() string { return progressNames[min(int(p), len(progressNames)-1)] }

// MarshalText is the progress in interfaces.
func (p Progress) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Holder is the officer of a unit who has the incident.
type Holder struct {
	Officer string `json:"officer"`
	By      Author `json:"by"`
}

// UnitState is one told unit: its own progress and its own holder. Others are
// claims that were made concurrently and do not stand.
type UnitState struct {
	Unit     UnitID   `json:"unit"`
	Progress Progress `json:"progress"`
	Holder   *Holder  `json:"holder,omitempty"`
	Others   []Holder `json:"other_claims,omitempty"`
}

// Item is something that only grows: a note, a contact, a signal, a dispatch,
// a missed deadline.
type Item struct {
	Kind     Kind    `json:"kind"`
	Value    string  `json:"value,omitempty"`
	At       int64   `json:"at"`
	Redacted bool    `json:"redacted,omitempty"`
	Signal   *Signal `json:"signal,omitempty"`
	By       Author  `json:"by"`
}

// Edge is a merge with another incident that was not withdrawn.
type Edge struct {
	Other ID     `json:"other"`
	By    Author `json:"by"`
}

// Suggestion says that another incident is probably about the same event.
type Suggestion struct {
	Other  ID     `json:"other"`
	Reason string `json:"reason"`
	Entry  ID     `json:"entry"`
}

// Incident is what a set of entries says.
type Incident struct {
	ID ID `json:"id"`
	// Stub: no report is here yet, only entries about it.
	Stub   bool   `json:"stub,omitempty"`
	Epoch  uint32 `json:"epoch"`
	Rank   Rank   `json:"rank"`
	Status string `json:"status"`
	// Verdict is the reason of the last verify, resolve or close.
	Verdict  string   `json:"verdict,omitempty"`
	Category Category `json:"category,omitempty"`
	Priority Priority `json:"priority,omitempty"`
	Place    *Place   `json:"place,omitempty"`
	// Summary names the entry whose sealed part holds the summary.
	Summary *ID `json:"summary,omitempty"`
	// Exercise is that of which the incident is part: all its arrivals say so, and no
	// officer that it is real. MadeReal is the officer who said that.
	Exercise  *ID         `json:"exercise,omitempty"`
	MadeReal  *Author     `json:"made_real,omitempty"`
	Silent    bool        `json:"silent,omitempty"`
	Cancelled bool        `json:"cancelled,omitempty"`
	Flags     Flags       `json:"flags,omitempty"`
	Lead      UnitID      `json:"lead,omitempty"`
	Units     []UnitState `json:"units,omitempty"`
	Conflicts []Conflict  `json:"conflicts,omitempty"`
	Reports   []Arrival   `json:"reports,omitempty"`
	// OtherContent are arrivals under this id with a content of their own; each
	// has an incident under the derived id too.
	OtherContent []Arrival    `json:"other_content,omitempty"`
	Items        []Item       `json:"items,omitempty"`
	Deadlines    []Deadline   `json:"deadlines,omitempty"`
	ParkedUntil  int64        `json:"parked_until,omitempty"`
	Edges        []Edge       `json:"edges,omitempty"`
	Suggestions  []Suggestion `json:"suggestions,omitempty"`
	AfterClose   []ID         `json:"after_close,omitempty"`
	Withdrawn    []ID         `json:"withdrawn,omitempty"`
	// Erased is set when what identifies people was erased.
	Erased *Erasure `json:"erased,omitempty"`
	// Missing are entries that others depend on and that are not here.
	Missing []ID `json:"missing,omitempty"`
	// Heads are the entries that no other has seen: the version of the incident.
	Heads []ID `json:"heads,omitempty"`
	// Order is every entry, causes before effects.
	Order []ID `json:"order,omitempty"`

	set   *set
	leads map[UnitID]bool // every unit that ever led
}

// Erasure says up to which epoch the sealed parts of an incident are erased, whenever
// they come: what is written after the incident was opened again is new.
type Erasure struct {
	Epoch  uint32 `json:"epoch"`
	Reason string `json:"reason"`
	At     int64  `json:"at"` // milliseconds since the Unix epoch, UTC
	By     Author `json:"by"`
}

// Covers says whether the sealed part of an entry of the incident is erased.
func (e *Erasure) Covers(b *Body) bool { return e != nil && b.Payload.Epoch <= e.Epoch }

// Open says whether work is left: not yet closed.
func (in *Incident) Open() bool { return in.Rank < RankClosed }

// Canonical is the incident as bytes; equal sets of entries give equal bytes.
func (in *Incident) Canonical() []byte {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // only strings, numbers and lists
	}
	return b
}

// Unit is the state of one unit; false when it was not told.
func (in *Incident) Unit(u UnitID) (UnitState, bool) {
	for _, s := range in.Units {
		if s.Unit == u {
			return s, true
		}
	}
	return UnitState{Unit: u}, false
}

// Report is the first arrival; nil for a stub.
func (in *Incident) Report() *Arrival {
	if len(in.Reports) == 0 {
		return nil
	}
	return &in.Reports[0]
}

// ReceivedAt is when the first report was received, in milliseconds since the Unix
// epoch, UTC; while it is on its way, what its routings say of that; 0: nothing says.
func (in *Incident) ReceivedAt() (at int64) {
	if a := in.Report(); a != nil {
		return a.ReceivedAt
	}
	for i := range in.set.bodies {
		if b := &in.set.bodies[i]; b.Kind == KindRouted && !in.set.gone[i] && b.ReceivedAt > 0 && (at == 0 || b.ReceivedAt < at) {
			at = b.ReceivedAt
		}
	}
	return at
}

// Version is the token of what a screen shows: an action sends it back as
// `seen`, so that causality is known without clocks.
func (in *Incident) Version() string { return EncodeSeen(in.Heads) }

// EncodeSeen writes a version token; of more than MaxDeps heads the last stand.
func EncodeSeen(heads []ID) string {
	heads = heads[max(0, len(heads)-MaxDeps):]
	var b []byte
	for _, h := range heads {
		b = append(b, h[:]...)
	}
	return "v1." + base64.RawURLEncoding.EncodeToString(b)
}

// DecodeSeen reads a version token; an empty one says that nothing was seen.
func DecodeSeen(s string) ([]ID, error) {
	if s == "" {
		return nil, nil
	}
	raw, ok := strings.CutPrefix(s, "v1.")
	b, err := base64.RawURLEncoding.DecodeString(raw)
	if !ok || err != nil || len(b)%16 != 0 || len(b) > 16*MaxDeps {
		return nil, fmt.Errorf("not a version: send back the `version` of the incident as it was read")
	}
	ids := make([]ID, len(b)/16)
	for i := range ids {
		copy(ids[i][:], b[16*i:])
	}
	return ids, nil
}
