// Package api is the HTTP and SSE interface, the same over a station and over
// the core: reports in, incidents and their actions, the live stream, the
// city's log for auditors.
//
// It speaks for a Backend, which a station and the core each implement. It
// keeps no state of an incident: what it shows was read for that answer, and a
// live stream is a reader of the log at its own pace, so that a slow browser
// holds up nothing and no queue grows.
package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/report"
	"wardline/sync/routing"
	"wardline/sync/search"
	"wardline/sync/trust"
	"wardline/sync/view"
)

// Backend is a station or a core node.
type Backend interface {
	// Report takes what a source sent through the door; it answers after the
	// sync (at the core: after the commit). An error is an *Error.
	Report(ctx context.Context, from identity.Device, raw []byte) (Answer, error)
	// Act appends an officer's entry with its sealed part's key. An error is an *Error.
	Act(ctx context.Context, body record.Body, key *SealedKey) (Done, error)
	// Bodies gives an incident's entries with their positions and city indexes,
	// read so that what was acknowledged before is among them.
	Bodies(ctx context.Context, incident record.ID) ([]Stored, error)
	// Here is Bodies without asking other nodes: what this one holds now.
	Here(incident record.ID) ([]Stored, error)
	// Open decrypts the sealed part of the entry at a position; record.ErrSealed where its key is gone.
	Open(at uint64, s *record.Sealed) ([]byte, error)
	// List gives incidents, newest first; it shows every write acknowledged before.
	List(ctx context.Context, q view.Query) (view.Page, error)
	// Tally counts incidents; it counts every write acknowledged before.
	Tally(ctx context.Context, s view.Span) (view.Tally, error)
	// Index finds incidents by what was said of them.
	Index() *search.Index
	// Log is what the live stream follows.
	Log() view.Log
	// CityIndex is the city's count of entries as far as this node knows it.
	CityIndex() uint64
	// Line is the state of the line to the city, for people.
	Line() Line
	// Stations and Units for the desks.
	Stations(ctx context.Context) ([]Station, error)
	Units(ctx context.Context) ([]Unit, error)
	// Source tells what became of the reports of a device, as far as this node knows.
	Source(device string) (view.History, error)
	// Wards are the wards with their boundaries; nil: the built-in centres.
	Wards() *routing.Wards
	// Contacts are the telephones and radios of patrols and units.
	Contacts() []Contact
	// Rules are the routing rules in effect, as JSON (routing.MarshalRules).
	Rules(ctx context.Context) ([]byte, error)
	// Ready says why this node cannot work, or nil.
	Ready(ctx context.Context) error
}

// CityLog is what only the core can give.
type CityLog interface {
	Entries(ctx context.Context, after uint64, limit int) ([]EntryRow, error)
	Digest(ctx context.Context) (Digest, error)
}

// Manager takes rules and wards into the city's log.
type Manager interface {
	// ImportWards takes ward boundaries; keep leaves the boundaries of the wards that the
	// file does not have as they are.
	ImportWards(ctx context.Context, by identity.Officer, geojson []byte, keep bool) (any, error)
	// ImportRules takes one version of the routing rules (routing.UnmarshalRules).
	ImportRules(ctx context.Context, by identity.Officer, rules []byte) (any, error)
}

// Machines says which machines may speak to the city; only the core can.
type Machines interface {
	ListMachines(ctx context.Context) (MachineList, error)
	ChangeMachine(ctx context.Context, by identity.Officer, c MachineChange) (MachineDone, error)
}

// MachineChange is what an administrator asks for.
type MachineChange struct {
	// Op is token, revoke, rotate, retire or log-key.
	Op   trust.Op `json:"op"`
	Name string   `json:"name"` // station/26704, node/core-1
	// Names are the host names and addresses for the machine's certificate.
	Names []string `json:"names"`
	// ForSeconds is how long a token is good; 0 is a day.
	ForSeconds int64 `json:"for_s"`
}

// MachineDone is what came of it.
type MachineDone struct {
	// Token is shown this once; the city keeps no more than its sum.
	Token string `json:"token,omitempty"`
	Until *Time  `json:"until,omitempty"`
}

// MachineList is what the city knows of machines.
type MachineList struct {
	Items []MachineItem `json:"items"`
	// Nodes are the core's, as this one knows them.
	Nodes []NodeItem `json:"nodes"`
	// Authority are the generations of the city's authority that are trusted.
	Authority Generations `json:"authority"`
}

// NodeItem is one node of the core.
type NodeItem struct {
	ID      string `json:"id"`
	Answers bool   `json:"answers"` // the node that was asked hears it
	Leads   bool   `json:"leads"`
	// Sync is where stations reach it; empty where that is not known.
	Sync string `json:"sync,omitempty"`
	// Raft is where the other nodes reach it.
	Raft string `json:"raft,omitempty"`
	// Founding: it is one of the nodes with which the city began, through which others join.
	Founding bool `json:"founding"`
}

// Generations are the oldest and the current generation of the authority.
type Generations struct {
	Oldest  uint32 `json:"oldest"`
	Current uint32 `json:"current"`
	// Fingerprint is the SHA-256 sum of the current one's public key.
	Fingerprint record.Hash `json:"fingerprint"`
}

// MachineItem is one machine.
type MachineItem struct {
	Name  trust.Name `json:"name"`
	State string     `json:"state"` // waiting, enrolled, held, revoked
	Epoch uint32     `json:"epoch"`
	Since *Time      `json:"since,omitempty"` // its latest enrolment or renewal
	Names []string   `json:"names,omitempty"`
}

// Quarantined lists malformed input that was kept raw.
type Quarantined interface {
	Malformed(ctx context.Context, limit int) ([]Malformed, error)
}

// Malformed is input that was refused for good.
type Malformed struct {
	Raw    []byte `json:"raw"`
	Bytes  int    `json:"bytes"`          // as sent
	SHA256 string `json:"payload_sha256"` // of all that came; Raw may be cut
	Device string `json:"device"`
	Via    string `json:"via"`
	At     Time   `json:"at"`
	Field  string `json:"field,omitempty"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// SealedKey is the key of a sealed part, to be wrapped and kept beside it.
type SealedKey struct {
	ID  record.KeyID
	Key record.PartKey
}

// Stored is an entry of an incident where this node holds it.
type Stored struct {
	Position uint64 // in this node's order
	Index    uint64 // in the city's order; 0: still on its way
	Link     record.Link
	Body     record.Body
}

// Answer is what the sender of a report gets: its ward receipt, or at the core
// its city receipt.
type Answer struct {
	Repeat      bool               `json:"-"`
	ID          record.ID          `json:"id"`
	Incident    record.ID          `json:"incident"`
	Ward        record.WardCode    `json:"ward"`
	Origin      record.Origin      `json:"origin"`
	Incarnation record.Incarnation `json:"-"`
	Inc         string             `json:"incarnation"`
	Lane        string             `json:"lane"`
	Seq         record.Seq         `json:"seq"`
	Hash        record.Hash        `json:"hash"`
	ReceivedAt  Time               `json:"received_at"`
	Warnings    []report.Warning   `json:"warnings"`
}

// Done says where an officer's entry stands.
type Done struct {
	Link     record.Link
	Hash     record.Hash
	Position uint64
	At       int64
}

// Line is the state of the line between a ward and the city.
type Line struct {
	// State is one of connected, connecting, cut, local (the core itself).
	State string `json:"state"`
	Since Time   `json:"since"`
	// Lag is how many entries the city does not have yet.
	Lag uint64 `json:"lag"`
	// OldestAt is when the oldest of them was received.
	OldestAt *Time `json:"oldest_at,omitempty"`
	// City is the node that is spoken with.
	City string `json:"city,omitempty"`
	// Alarms are what must be seen: a rollback, a clone, a cut tail, no room.
	Alarms []string `json:"alarms,omitempty"`
}

// Station is a ward's station as the city sees it.
type Station struct {
	ID        string          `json:"id"`
	Ward      record.WardCode `json:"ward"`
	Name      string          `json:"name"`
	Connected bool            `json:"connected"`
	LastHeard *Time           `json:"last_heard,omitempty"`
	// Enrolment is waiting, enrolled, held (two machines claim to be it) or revoked.
	Enrolment string        `json:"enrolment,omitempty"`
	Line      *Line         `json:"line,omitempty"`
	Devices   []DeviceState `json:"devices,omitempty"`
	// Phones is how many phones are connected.
	Phones int      `json:"phones,omitempty"`
	Alarms []string `json:"alarms,omitempty"`
	// Health, at the core, is what the station said of itself last.
	Health *Health `json:"health,omitempty"`
}

// Health is how a station is, as it says with each ping of its line.
type Health struct {
	At Time `json:"at"`
	// Free is the space on its disk, in bytes; Room what it has room for: all,
	// urgent_only or none.
	Free uint64 `json:"free"`
	Room string `json:"room"`
	// ClockMS is the station's clock less the city's, in milliseconds.
	ClockMS int64 `json:"clock_ms"`
	// Lag is how many entries the city does not have yet.
	Lag uint64 `json:"lag"`
	// Quarantined is how much malformed input it kept raw since it was started.
	Quarantined      uint64   `json:"quarantined"`
	Incarnation      string   `json:"incarnation,omitempty"`
	CertificateUntil *Time    `json:"certificate_until,omitempty"`
	Alarms           []string `json:"alarms,omitempty"`
}

// DeviceState is a device as its station sees it.
type DeviceState struct {
	ID          string `json:"id"`
	Kind        string `json:"kind"`
	Online      bool   `json:"online"`
	SilentSince *Time  `json:"silent_since,omitempty"`
	// Since is when it came or went last, where that is known.
	Since *Time `json:"since,omitempty"`
	// Detail is what is wrong with it, for people.
	Detail string `json:"detail,omitempty"`
}

// Unit is a unit that can be told or forwarded to.
type Unit struct {
	ID   record.UnitID `json:"id"`
	Name string        `json:"name"`
}

// EntryRow is one line of the city's log.
type EntryRow struct {
	Index       uint64        `json:"index"`
	ID          record.ID     `json:"id"`
	Origin      record.Origin `json:"origin"`
	Incarnation string        `json:"incarnation"`
	Lane        string        `json:"lane"`
	Seq         record.Seq    `json:"seq"`
	Hash        record.Hash   `json:"hash"`
	Prev        record.Hash   `json:"prev"`
	Kind        record.Kind   `json:"kind"`
	Report      *record.ID    `json:"report"`
	Incident    *record.ID    `json:"incident"`
}

// Digest is what a node's state sums up to at an index.
type Digest struct {
	Node  string      `json:"node"`
	Index uint64      `json:"index"`
	Log   record.Hash `json:"log"`
	State record.Hash `json:"state"`
}

// Time is milliseconds since the Unix epoch, UTC; in JSON RFC 3339 in UTC with
// milliseconds.
type Time int64

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// String is RFC 3339 in UTC with milliseconds.
func (t Time) String() string { return time.UnixMilli(int64(t)).UTC().Format(timeFormat) }

// MarshalText is RFC 3339 in UTC with milliseconds.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads RFC 3339.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	*t = Time(v.UnixMilli())
	return err
}

// Error is a problem detail (RFC 9457) as an error.
type Error struct {
	Status int    `json:"status"`
	Type   string `json:"type"` // a relative URI: /problems/<word>
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Field is the member of the request that is at fault.
	Field string `json:"field,omitempty"`
	// ID is the report or action that it is about, when it could be read.
	ID string `json:"id,omitempty"`
	// State is the present state of the incident, for 409.
	State any `json:"state,omitempty"`
	// Code and Holder explain a 409.
	Code   string `json:"code,omitempty"`
	Holder any    `json:"holder,omitempty"`
	// RetryAfter in seconds; 0 means none.
	RetryAfter int `json:"-"`
}

// Error is title and detail.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Title, e.Detail) }

// Refused is a malformed report's problem as an error.
func Refused(p *report.Problem) *Error {
	d := p.Details()
	return &Error{Status: d.Status, Type: d.Type, Title: d.Title, Detail: d.Detail, Field: d.Field, ID: d.ID}
}

// Problem makes an error of a kind.
func Problem(status int, word, field, format string, a ...any) *Error {
	return &Error{Status: status, Type: "/problems/" + word, Title: http.StatusText(status), Field: field, Detail: fmt.Sprintf(format, a...)}
}
