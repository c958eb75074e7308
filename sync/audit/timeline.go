package audit

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"wardline/sync/record"
)

// Lang is a language of a timeline.
type Lang string

// The languages.
const (
	Vietnamese Lang = "vi"
	English    Lang = "en"
)

// Langs lists them, in the order in which they stand in an archive.
var Langs = []Lang{Vietnamese, English}

// Timeline is what happened with one incident, for people.
type Timeline struct {
	Incident record.ID
	// Entries are all that the city has about it, by city index.
	Entries []Entry
	// Checkpoint is what proves them, Key whose signature that is.
	Checkpoint Checkpoint
	Key        Key
	// At is when the timeline was made, milliseconds since the Unix epoch, UTC; By for whom.
	At int64
	By string
	// Unit is the name of a unit for people; nil: its id.
	Unit func(record.UnitID) string
	// Open gives the content of a sealed part. nil leaves every part sealed, and so
	// does an error. Whoever sets it has made each opening an entry of the log.
	Open func(e *Entry, s *record.Sealed) ([]byte, error)
}

//go:embed timeline.html
var timelineHTML string

var timelinePage = template.Must(template.New("timeline").Parse(timelineHTML))

// local is the city's time, without daylight saving since 1975: no list of zones
// is needed to read an old export.
var local = time.FixedZone("+07", 7*60*60)

type pair struct{ Name, Value string }

type lineRow struct {
	Index                  uint64
	Local, UTC, What, Who  string
	Chain, Hash            string
	Repeat, Unsure, Sealed bool
	Details, Opened        []pair
}

type mediumRow struct {
	Hash, Type string
	Bytes      uint64
	Index      uint64
}

type page struct {
	T       func(string) string
	Lang    Lang
	ID      record.ID
	Head    []pair
	Lines   []lineRow
	Media   []mediumRow
	Proof   []pair
	Command string
}

// HTML is the timeline as a page that stands alone: no script, nothing loaded from
// elsewhere, every word escaped. The same timeline gives the same bytes.
func (t *Timeline) HTML(lang Lang) ([]byte, error) {
	say := func(word string) string { return words.in(lang, word) }
	p := page{T: say, Lang: lang, ID: t.Incident, Command: "wardline audit verify --key " + t.Key.Fingerprint() + " FILE"}
	bodies := make([]record.Body, len(t.Entries))
	redacted := map[record.ID]bool{}
	for i := range t.Entries {
		b, err := record.DecodeBody(t.Entries[i].Body)
		if err != nil {
			return nil, fmt.Errorf("audit: entry %d: %w", t.Entries[i].Index, err)
		}
		bodies[i] = b
		if b.Kind == record.KindRedact {
			redacted[b.Payload.Target] = true
		}
	}
	for i := range bodies {
		b := &bodies[i]
		p.Lines = append(p.Lines, t.line(say, &t.Entries[i], b, redacted[b.ID]))
		for _, m := range b.Payload.Media {
			p.Media = append(p.Media, mediumRow{m.SHA256.String(), m.Type, m.Bytes, t.Entries[i].Index})
		}
	}
	p.Head = t.head(say, record.Fold(t.Incident, bodies))
	c := t.Checkpoint
	p.Proof = []pair{{say("entries in the log"), strconv.FormatUint(c.Size, 10)}, {say("root"), fmt.Sprintf("%x", c.Root[:])},
		{say("signed"), both(c.At)}, {say("key"), t.Key.String()}, {say("fingerprint"), t.Key.Fingerprint()}}
	var out bytes.Buffer
	err := timelinePage.Execute(&out, p)
	return out.Bytes(), err
}

// clock is a time as people there read it.
func clock(ms int64) string {
	return time.UnixMilli(ms).In(local).Format("02/01/2006 15:04:05.000 -07")
}

func utc(ms int64) string { return time.UnixMilli(ms).UTC().Format(timeForm) }

func both(ms int64) string { return clock(ms) + " (" + utc(ms) + ")" }

func (t *Timeline) unit(u record.UnitID) string {
	if t.Unit == nil || u == "" {
		return string(u)
	}
	if n := t.Unit(u); n != "" && n != string(u) {
		return n + " (" + string(u) + ")"
	}
	return string(u)
}

func (t *Timeline) head(say func(string) string, in *record.Incident) []pair {
	out := []pair{{say("status"), say(in.Status)}}
	add := func(name, value string) {
		if value != "" {
			out = append(out, pair{say(name), value})
		}
	}
	add("category", say(string(in.Category)))
	if in.Priority > 0 {
		add("priority", in.Priority.String())
	}
	if r := in.Report(); r != nil {
		add("received", both(r.ReceivedAt))
		if r.CapturedAt != 0 {
			add("happened", both(r.CapturedAt))
		}
	}
	add("place", place(in.Place))
	add("lead", t.unit(in.Lead))
	var told []string
	for _, u := range in.Units {
		told = append(told, t.unit(u.Unit))
	}
	add("told", strings.Join(told, "; "))
	var others []string
	for _, e := range in.Edges {
		others = append(others, e.Other.String())
	}
	add("merged", strings.Join(others, ", "))
	if len(in.Missing) > 0 {
		var ids []string
		for _, id := range in.Missing {
			ids = append(ids, id.String())
		}
		add("missing", strings.Join(ids, ", "))
	}
	add("entries", strconv.Itoa(len(t.Entries)))
	add("made", both(t.At))
	add("for", t.By)
	return out
}

func (t *Timeline) line(say func(string) string, e *Entry, b *record.Body, redacted bool) lineRow {
	at := b.HLC.Millis()
	if at == 0 {
		at = b.ReceivedAt
	}
	l := lineRow{Index: e.Index, Local: clock(at), UTC: utc(at), What: say(b.Kind.String()), Repeat: e.Listed == record.KindRepeat,
		Unsure: b.Clock != record.ClockSure && b.Origin != record.CoreOrigin,
		Chain:  fmt.Sprintf("%s / %s / %s / %d", show(e.Link.Origin), e.Link.Incarnation, e.Link.Lane, e.Link.Seq), Hash: e.Hash().String()}
	switch b.Actor.Kind {
	case record.ByOfficer:
		l.Who = say("officer") + " " + b.Actor.Name
	case record.ByDevice:
		l.Who = say("device") + " " + b.Actor.Name
	default:
		l.Who = strings.TrimSpace(say("system") + " " + b.Actor.Name)
	}
	if u := b.UnitOf(); u != "" {
		l.Who += ", " + t.unit(u)
	}
	l.Details = t.details(say, b)
	if s := b.Payload.Sealed; s != nil {
		l.Sealed = true
		if t.Open != nil && !redacted {
			if plain, err := t.Open(e, s); err == nil {
				l.Sealed, l.Opened = false, opened(say, plain)
			}
		}
	}
	return l
}

func (t *Timeline) details(say func(string) string, b *record.Body) (out []pair) {
	p := &b.Payload
	add := func(name, value string) {
		if value != "" {
			out = append(out, pair{say(name), value})
		}
	}
	num := func(name string, n uint64, unit string) {
		if n > 0 {
			add(name, strconv.FormatUint(n, 10)+unit)
		}
	}
	id := func(name string, v record.ID) {
		if !v.Zero() {
			add(name, v.String())
		}
	}
	id("entry", b.ID)
	id("report", p.Report)
	add("category", say(string(p.Category)))
	if p.Priority > 0 {
		add("priority", p.Priority.String())
	}
	if b.CapturedAt != 0 {
		add("happened", both(b.CapturedAt))
	}
	add("place", place(p.Place))
	num("distance", uint64(p.Distance), " m")
	add("ward", string(p.Ward))
	if p.Unit != "" && p.Unit != b.UnitOf() {
		add("unit", t.unit(p.Unit))
	}
	add("to unit", t.unit(p.ToUnit))
	add("to officer", p.ToOfficer)
	add("reason", say(p.Reason))
	add("patrol", p.Patrol)
	id("about entry", p.Target)
	for _, x := range p.Incidents {
		id("other incident", x)
	}
	if s := p.Signal; s != nil {
		add("signal", strings.TrimSpace(strings.Join([]string{s.Protocol, s.Account, s.Qualifier, s.Code, s.Group, s.Zone}, " ")))
	}
	for _, m := range p.Media {
		add("medium", fmt.Sprintf("%s, %d B, SHA-256 %s", m.Type, m.Bytes, m.SHA256))
	}
	add("lead", t.unit(p.Lead))
	var told []string
	for _, u := range p.Told {
		told = append(told, t.unit(u))
	}
	add("told", strings.Join(told, "; "))
	for _, d := range p.Deadlines {
		add("deadline", say(d.Step)+": "+both(d.At))
	}
	add("step", say(p.Step))
	if p.Until != 0 {
		add("until", both(p.Until))
	}
	num("epoch", uint64(p.Epoch), "")
	num("rules", uint64(p.Rules), "")
	for i, f := range flagWords {
		if p.Flags&(1<<i) != 0 {
			add("note", say(f))
		}
	}
	if b.Kind == record.KindAlarm || b.Kind == record.KindSuggested {
		add("detail", strings.ToValidUTF8(string(p.Data), "\uFFFD"))
	}
	return out
}

// flagWords are the words for record.Flags, by bit.
var flagWords = []string{"clock in doubt", "other content under a known id", "silent alarm", "written while the line was cut", "unknown code",
	"short account", "place approximate", "cancelled by the source", "outside every ward", "holds the summary", "routed by the station alone"}

// opened is the content of a sealed part, JSON, as names and values.
func opened(say func(string) string, plain []byte) (out []pair) {
	var m map[string]any
	if json.Unmarshal(plain, &m) != nil {
		return []pair{{say("content"), strings.ToValidUTF8(string(plain), "\uFFFD")}}
	}
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		switch v := m[k].(type) {
		case map[string]any:
			raw, err := json.Marshal(v)
			if err != nil {
				continue // it came from JSON
			}
			for _, x := range opened(say, raw) {
				out = append(out, pair{say(k) + ", " + x.Name, x.Value})
			}
		default:
			out = append(out, pair{say(k), fmt.Sprint(v)})
		}
	}
	return out
}

func place(p *record.Place) string {
	if p == nil {
		return ""
	}
	s := degrees(p.LatE7) + ", " + degrees(p.LonE7)
	if p.AccuracyCM > 0 {
		s += fmt.Sprintf(" ± %d m", (p.AccuracyCM+99)/100)
	}
	return s
}

func degrees(e7 int32) string {
	sign, n := "", int64(e7)
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%07d", sign, n/1e7, n%1e7)
}
