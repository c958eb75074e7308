package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// Contact is whom an officer calls or sends: a patrol of a unit, a unit, or a
// number such as 115.
type Contact struct {
	// ID is short and stays: a dispatch names it.
	ID   string `json:"id" yaml:"id"`
	Name string `json:"name" yaml:"name"`
	// Kind is patrol (can be dispatched), unit or emergency.
	Kind string `json:"kind" yaml:"kind"`
	// Unit is whose patrol it is, or which unit.
	Unit  record.UnitID `json:"unit,omitempty" yaml:"unit"`
	Phone string        `json:"phone,omitempty" yaml:"phone"`
	Radio string        `json:"radio,omitempty" yaml:"radio"`
}

// ContactBook is a file of contacts.
type ContactBook struct {
	Contacts []Contact `json:"contacts" yaml:"contacts"`
}

// Validate names every field that is wrong.
func (b *ContactBook) Validate() error { return checkContacts(b.Contacts) }

// Limits of contacts; a desk shows them all in one list.
const (
	maxContacts    = 200
	maxContactText = 64
)

var contactKinds = []string{"patrol", "unit", "emergency"}

// national are the numbers that everybody calls, in every list.
var national = []Contact{
	{ID: "113", Name: "Công an", Kind: "emergency", Phone: "113"},
	{ID: "114", Name: "Cứu hỏa, cứu nạn", Kind: "emergency", Phone: "114"},
	{ID: "115", Name: "Cấp cứu y tế", Kind: "emergency", Phone: "115"},
}

// contactFault names a contact's field.
type contactFault struct{ field, wrong, do string }

func (f *contactFault) Error() string { return f.field + ": " + f.wrong + " (" + f.do + ")" }

// Fault names the field by its path.
func (f *contactFault) Fault() (field, wrong, do string) { return f.field, f.wrong, f.do }

func checkContacts(list []Contact) error {
	var errs []error
	add := func(field, do, wrong string, a ...any) {
		errs = append(errs, &contactFault{field, fmt.Sprintf(wrong, a...), do})
	}
	if len(list) > maxContacts {
		add("contacts", fmt.Sprintf("keep at most %d: they stand in one list", maxContacts), "has %d", len(list))
	}
	had := map[string]int{}
	for i, c := range list {
		at := fmt.Sprintf("contacts[%d].", i)
		if c.ID == "" || c.Name == "" {
			add(at+"id", "give it a short id that stays, and a name", "id %q, name %q", c.ID, c.Name)
		} else if first, twice := had[c.ID]; twice {
			add(at+"id", "give each an id of its own", "is %q, which contacts[%d] has", c.ID, first)
		}
		had[c.ID] = i
		if !slices.Contains(contactKinds, c.Kind) {
			add(at+"kind", fmt.Sprintf("use one of %v", contactKinds), "%q is none", c.Kind)
		}
		if c.Kind == "patrol" && c.Unit == "" {
			add(at+"unit", "write ward/ and the ward's code, a department such as PC07, or command", "is missing")
		}
		for _, t := range []string{c.ID, c.Name, string(c.Unit), c.Phone, c.Radio} {
			if utf8.RuneCountInString(t) > maxContactText {
				add(at+"name", fmt.Sprintf("shorten it to %d characters", maxContactText), "a field has %d", utf8.RuneCountInString(t))
			}
		}
	}
	return errors.Join(errs...)
}

// getContacts are the numbers at hand and the colleagues to whom a shift can be
// handed over. The patrols are those of the officer's own unit.
func (s *Server) getContacts(w http.ResponseWriter, _ *http.Request, o identity.Officer) error {
	items := []Contact{}
	for _, c := range s.Backend.Contacts() {
		if c.Kind != "patrol" || c.Unit == o.Unit || o.SeesAll() {
			items = append(items, c)
		}
	}
	for _, c := range national {
		if !slices.ContainsFunc(items, func(x Contact) bool { return x.ID == c.ID }) {
			items = append(items, c)
		}
	}
	colleagues, err := s.Directory.Colleagues(o)
	if err != nil {
		return err
	}
	return s.answer(w, 200, map[string]any{"items": items, "colleagues": colleagues})
}
