package api

import (
	"encoding/json"

	"wardline/sync/record"
)

// detailJSON is an incident as a desk reads it.
type detailJSON struct {
	ID       record.ID       `json:"id"`
	Version  string          `json:"version"`
	Status   string          `json:"status"`
	Open     bool            `json:"open"`
	Epoch    uint32          `json:"epoch"`
	Stub     bool            `json:"stub,omitempty"`
	Verdict  string          `json:"verdict,omitempty"`
	Category record.Category `json:"category,omitempty"`
	Priority string          `json:"priority,omitempty"`
	Place    *placeJSON      `json:"place,omitempty"`
	Summary  string          `json:"summary,omitempty"`
	Silent   bool            `json:"silent,omitempty"`
	// Exercise is that of which the incident is part; left out of what is real. MadeReal is
	// the officer who said that a report of an exercise is a real one.
	Exercise *record.ID  `json:"exercise,omitempty"`
	MadeReal *authorJSON `json:"made_real,omitempty"`
	// Cancelled: the source said so; the incident stays.
	Cancelled   bool                `json:"cancelled,omitempty"`
	Flags       []string            `json:"flags,omitempty"`
	Lead        record.UnitID       `json:"lead,omitempty"`
	Units       []unitJSON          `json:"units"`
	Conflicts   []conflictJSON      `json:"conflicts"`
	Reports     []arrivalJSON       `json:"reports"`
	Items       []itemJSON          `json:"items"`
	Deadlines   []deadlineJSON      `json:"deadlines"`
	Parked      *Time               `json:"parked_until,omitempty"`
	Merged      []mergedJSON        `json:"merged,omitempty"`
	Group       []record.ID         `json:"group,omitempty"`
	Suggestions []record.Suggestion `json:"suggestions,omitempty"`
	AfterClose  []record.ID         `json:"after_close,omitempty"`
	Missing     []record.ID         `json:"missing,omitempty"`
	// Erased: what identifies people in it was erased, up to an epoch.
	Erased   *erasedJSON  `json:"erased,omitempty"`
	Timeline []lineJSON   `json:"timeline"`
	Delivery deliveryJSON `json:"delivery"`
	// Source is what became of the reports of the first report's device.
	Source *sourceJSON `json:"source,omitempty"`
}

// erasedJSON says when and why what identifies people was erased.
type erasedJSON struct {
	At     Time   `json:"at"`
	Reason string `json:"reason"`
	// Epoch is the last one that it covers; what was written in later ones is new.
	Epoch uint32 `json:"epoch"`
}

// sourceJSON is the history of a device as far as this node knows it.
type sourceJSON struct {
	Device  string `json:"device"`
	Reports int    `json:"reports"`
	// Verdicts counts its reports by verdict; what has none yet is left out.
	Verdicts map[string]int `json:"verdicts"`
}

// authorJSON says who wrote an entry, where, and when by the author's clock.
type authorJSON struct {
	Entry   record.ID     `json:"entry"`
	Name    string        `json:"name"`
	Unit    record.UnitID `json:"unit,omitempty"`
	Origin  record.Origin `json:"origin"`
	At      Time          `json:"at"`
	Sure    bool          `json:"clock_sure"`
	Offline bool          `json:"offline,omitempty"`
}

// holderJSON is the officer of a unit who has the incident.
type holderJSON struct {
	Officer string     `json:"officer"`
	By      authorJSON `json:"by"`
}

// unitJSON is a told unit; other claims were made concurrently and do not stand.
type unitJSON struct {
	Unit     record.UnitID   `json:"unit"`
	Progress record.Progress `json:"progress"`
	Holder   *holderJSON     `json:"holder,omitempty"`
	Others   []holderJSON    `json:"other_claims,omitempty"`
}

type valueJSON struct {
	Value string     `json:"value"`
	By    authorJSON `json:"by"`
}

// conflictJSON is a field for which several values stand that nobody has seen together.
type conflictJSON struct {
	Field  string      `json:"field"`
	Shown  valueJSON   `json:"shown"`
	Others []valueJSON `json:"others"`
}

// itemJSON is what only grows: notes, contacts, signals, dispatches, missed deadlines.
type itemJSON struct {
	Kind     record.Kind    `json:"kind"`
	Value    string         `json:"value,omitempty"`
	At       Time           `json:"at"`
	Redacted bool           `json:"redacted,omitempty"`
	Signal   *record.Signal `json:"signal,omitempty"`
	By       authorJSON     `json:"by"`
}

type mergedJSON struct {
	Other record.ID  `json:"other"`
	By    authorJSON `json:"by"`
}

type placeJSON struct {
	Lat       json.Number `json:"lat"`
	Lon       json.Number `json:"lon"`
	AccuracyM json.Number `json:"accuracy_m"`
	FixedAt   *Time       `json:"fixed_at,omitempty"`
}

type deadlineJSON struct {
	Step string `json:"step"`
	At   Time   `json:"at"`
}

type arrivalJSON struct {
	ID         record.ID       `json:"id"`
	Origin     record.Origin   `json:"origin"`
	Device     string          `json:"device"`
	Category   record.Category `json:"category"`
	Place      *placeJSON      `json:"place,omitempty"`
	CapturedAt Time            `json:"captured_at"`
	ReceivedAt Time            `json:"received_at"`
	Media      []record.Medium `json:"media,omitempty"`
	Signal     *record.Signal  `json:"signal,omitempty"`
	Flags      []string        `json:"flags,omitempty"`
	Sealed     json.RawMessage `json:"sealed,omitempty"`
	// Unreadable: the key of the sealed part is not here (any more).
	Unreadable bool `json:"unreadable,omitempty"`
	Redacted   bool `json:"redacted,omitempty"`
	// Identified: who reported is known and sealed; POST …/reporter opens it.
	Identified bool `json:"identified,omitempty"`
}

// lineJSON is one entry in the timeline, with both times: when it was made and
// when it became part of the city's log (index; 0 is still on its way).
type lineJSON struct {
	Entry  record.ID     `json:"entry"`
	Kind   record.Kind   `json:"kind"`
	By     string        `json:"by"`
	Unit   record.UnitID `json:"unit,omitempty"`
	Origin record.Origin `json:"origin"`
	At     Time          `json:"at"`
	// ReceivedAt is when the node that wrote the entry took it in, by its own clock.
	ReceivedAt *Time           `json:"received_at,omitempty"`
	Sure       bool            `json:"clock_sure"`
	Index      uint64          `json:"index"`
	Offline    bool            `json:"offline,omitempty"`
	Withdrawn  bool            `json:"withdrawn,omitempty"`
	Redacted   bool            `json:"redacted,omitempty"`
	Value      string          `json:"value,omitempty"`
	Sealed     json.RawMessage `json:"sealed,omitempty"`
}

type deliveryJSON struct {
	// Ward: synced to a station's disk. City: committed and applied. Index is the
	// last in the city's order of the entries; at a station, of its own ones, that
	// of the receipt that covers them.
	Ward  bool   `json:"ward"`
	City  bool   `json:"city"`
	Index uint64 `json:"index"`
	// Pending counts entries that this node knows and the city does not.
	Pending int `json:"pending"`
}
