package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"wardline/sync/record"
)

// MaxRulesJSON bounds the text of one version of the rules: eight categories
// need 3 KiB, and it must fit into one entry of the log.
const MaxRulesJSON = 64 << 10

// maxTime is 9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write.
const maxTime = int64(253402300799999)

// rfc3339ms is how times stand in our interfaces.
const rfc3339ms = "2006-01-02T15:04:05.000Z07:00"

// ErrRules says that rules cannot be used; the text names the field.
var ErrRules = errors.New("routing: rules")

// urgentAlways are the categories that no rule may send down the routine
// lane: a person in danger never waits behind a bill payment.
var urgentAlways = []record.Category{record.Panic, record.Fire, record.Emergency, record.Medical, record.Crime, record.TrafficAccident}

type rulesJSON struct {
	Version    *uint32                    `json:"version"`
	From       *string                    `json:"from"`
	Until      *string                    `json:"until"`
	Categories map[string]json.RawMessage `json:"categories"`
}

type ruleJSON struct {
	Priority    string      `json:"priority"`
	Lane        string      `json:"lane"`
	Departments []string    `json:"departments"`
	Contacts    []string    `json:"contacts"`
	KeepDays    int         `json:"keep_days,omitempty"`
	Deadlines   []limitJSON `json:"deadlines"`
}

type limitJSON struct {
	Step    string `json:"step"`
	WithinS *int64 `json:"within_s"`
}

// MarshalRules writes rules as JSON, indented, always the same bytes for the
// same rules. Times are RFC 3339 in UTC with milliseconds; an open end is null.
func MarshalRules(r *Rules) ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	from := time.UnixMilli(r.From).UTC().Format(rfc3339ms)
	out := struct {
		Version    uint32              `json:"version"`
		From       string              `json:"from"`
		Until      *string             `json:"until"`
		Categories map[string]ruleJSON `json:"categories"`
	}{r.Version, from, nil, map[string]ruleJSON{}}
	if r.Until != 0 {
		until := time.UnixMilli(r.Until).UTC().Format(rfc3339ms)
		out.Until = &until
	}
	for _, c := range record.Categories {
		rule := r.Categories[c]
		j := ruleJSON{Priority: rule.Priority.String(), Lane: rule.Lane.String(),
			Departments: []string{}, Contacts: append([]string{}, rule.Contacts...), KeepDays: rule.KeepDays, Deadlines: []limitJSON{}}
		for _, d := range rule.Departments {
			j.Departments = append(j.Departments, string(d))
		}
		for _, l := range rule.Limits {
			s := int64(l.Within / time.Second)
			j.Deadlines = append(j.Deadlines, limitJSON{string(l.Step), &s})
		}
		out.Categories[string(c)] = j
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRules, err)
	}
	return append(b, '\n'), nil
}

// UnmarshalRules reads rules strictly: an unknown, repeated or missing field
// is an error, and what it gives is valid. Errors wrap [ErrRules] and name the field.
func UnmarshalRules(b []byte) (*Rules, error) {
	if len(b) > MaxRulesJSON {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRules, len(b), MaxRulesJSON)
	}
	if err := onlyOnce(b); err != nil {
		return nil, err
	}
	var j rulesJSON
	if err := strict("", b, &j); err != nil {
		return nil, err
	}
	if j.Version == nil {
		return nil, fmt.Errorf("%w: version: missing", ErrRules)
	}
	r := &Rules{Version: *j.Version, Categories: make(map[record.Category]Rule, len(j.Categories))}
	var err error
	if j.From == nil {
		return nil, fmt.Errorf("%w: from: missing; write a time such as 2025-07-01T00:00:00.000Z", ErrRules)
	}
	if r.From, err = readTime("from", *j.From); err != nil {
		return nil, err
	}
	if j.Until != nil {
		if r.Until, err = readTime("until", *j.Until); err != nil {
			return nil, err
		}
		if r.Until == 0 {
			return nil, fmt.Errorf("%w: until: %s; write null for an open end", ErrRules, *j.Until)
		}
	}
	for _, name := range sortedKeys(j.Categories) {
		rule, err := readRule("categories."+name, j.Categories[name])
		if err != nil {
			return nil, err
		}
		r.Categories[record.Category(name)] = rule
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

func readRule(path string, b []byte) (Rule, error) {
	var j ruleJSON
	if err := strict(path, b, &j); err != nil {
		return Rule{}, err
	}
	rule := Rule{Contacts: j.Contacts, KeepDays: j.KeepDays}
	if len(j.Contacts) == 0 {
		rule.Contacts = nil
	}
	if len(j.Priority) != 2 || j.Priority[0] != 'P' || j.Priority[1] < '1' || j.Priority[1] > '4' {
		return rule, fmt.Errorf("%w: %s.priority: %q, want P1 to P4", ErrRules, path, j.Priority)
	}
	rule.Priority = record.Priority(j.Priority[1] - '0')
	switch j.Lane {
	case record.Urgent.String():
		rule.Lane = record.Urgent
	case record.Routine.String():
		rule.Lane = record.Routine
	default:
		return rule, fmt.Errorf("%w: %s.lane: %q, want urgent or routine", ErrRules, path, j.Lane)
	}
	for _, d := range j.Departments {
		rule.Departments = append(rule.Departments, record.UnitID(d))
	}
	for i, l := range j.Deadlines {
		if l.WithinS == nil || *l.WithinS < 1 || *l.WithinS > int64(MaxWithin/time.Second) {
			return rule, fmt.Errorf("%w: %s.deadlines[%d].within_s: want 1 to %d seconds", ErrRules, path, i, int64(MaxWithin/time.Second))
		}
		rule.Limits = append(rule.Limits, Limit{Step(l.Step), time.Duration(*l.WithinS) * time.Second})
	}
	return rule, nil
}

func readTime(field, s string) (int64, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %q is no RFC 3339 time such as 2025-07-01T00:00:00.000Z", ErrRules, field, s)
	}
	return t.UnixMilli(), nil
}

// strict decodes one value, and nothing after it, without unknown fields.
func strict(path string, b []byte, into any) error {
	where := ErrRules.Error()
	if path != "" {
		where += ": " + path
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &wrapped{where + ": " + strings.TrimPrefix(err.Error(), "json: "), ErrRules}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &wrapped{where + ": something stands after the end", ErrRules}
	}
	return nil
}

// wrapped is an error with a text of its own.
type wrapped struct {
	text string
	is   error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.is }

// onlyOnce refuses an object that has a member twice (encoding/json would
// silently keep the last), letters in either case.
func onlyOnce(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		object, value bool
		seen          map[string]bool
	}
	var open []level
	for {
		t, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return &wrapped{ErrRules.Error() + ": " + err.Error(), ErrRules}
		}
		top := len(open) - 1
		if key, ok := t.(string); ok && top >= 0 && open[top].object && !open[top].value {
			if open[top].seen[strings.ToLower(key)] {
				return fmt.Errorf("%w: %q stands twice in one object", ErrRules, key)
			}
			open[top].seen[strings.ToLower(key)] = true
			open[top].value = true
			continue
		}
		if t == json.Delim('}') || t == json.Delim(']') {
			open = open[:top]
			continue
		}
		if top >= 0 {
			open[top].value = false
		}
		if t == json.Delim('{') || t == json.Delim('[') {
			open = append(open, level{object: t == json.Delim('{'), seen: map[string]bool{}})
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
