package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wardline/sync/record"
)

// Validate says whether the rules can be used: dates in order, a rule for
// every category and no other, urgent what must be urgent, deadlines in the
// order of the steps. The first error found is given, always the same one.
// It wraps [ErrRules] and names the field as it stands in the JSON form.
func (r *Rules) Validate() error {
	if r.From < 0 || r.From > maxTime {
		return fmt.Errorf("%w: from: %d ms, want 1970 to 9999", ErrRules, r.From)
	}
	if r.Until != 0 && (r.Until <= r.From || r.Until > maxTime) {
		return fmt.Errorf("%w: until: %d ms, want after from (%d ms) and before the year 10000", ErrRules, r.Until, r.From)
	}
	for _, c := range record.Categories {
		rule, ok := r.Categories[c]
		if !ok {
			return fmt.Errorf("%w: categories.%s: missing; every category needs a rule", ErrRules, c)
		}
		if err := rule.validate(c); err != nil {
			return err
		}
	}
	if len(r.Categories) > len(record.Categories) {
		var unknown []string
		for c := range r.Categories {
			if !c.Valid() {
				unknown = append(unknown, string(c))
			}
		}
		return fmt.Errorf("%w: categories.%s: no such category", ErrRules, slices.Min(unknown))
	}
	return nil
}

func (r *Rule) validate(c record.Category) error {
	fail := func(field, format string, args ...any) error {
		return fmt.Errorf("%w: categories.%s.%s: %s", ErrRules, c, field, fmt.Sprintf(format, args...))
	}
	if r.Priority < 1 || r.Priority > 4 {
		return fail("priority", "%s, want P1 to P4", r.Priority)
	}
	if r.Lane != record.Urgent && r.Lane != record.Routine {
		return fail("lane", "%s, want urgent or routine", r.Lane)
	}
	if r.Lane != record.Urgent && slices.Contains(urgentAlways, c) {
		return fail("lane", "%s, but this category is always urgent", r.Lane)
	}
	if len(r.Departments) > MaxDepartments {
		return fail("departments", "%d, at most %d", len(r.Departments), MaxDepartments)
	}
	for i, d := range r.Departments {
		if !word(string(d), func(b byte) bool {
			return b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-'
		}) || d == record.Command {
			return fail(fmt.Sprintf("departments[%d]", i), "%q is not the code of a department such as PC07 (wards and the command centre are told anyway)", d)
		}
		if slices.Contains(r.Departments[:i], d) {
			return fail(fmt.Sprintf("departments[%d]", i), "%q stands twice", d)
		}
	}
	if len(r.Contacts) > MaxContacts {
		return fail("contacts", "%d, at most %d", len(r.Contacts), MaxContacts)
	}
	for i, n := range r.Contacts {
		if !word(n, func(b byte) bool { return b >= '0' && b <= '9' || strings.IndexByte("+ *#-", b) >= 0 }) {
			return fail(fmt.Sprintf("contacts[%d]", i), "%q is not a telephone number", n)
		}
	}
	if r.KeepDays < 0 || r.KeepDays > MaxKeepDays {
		return fail("keep_days", "%d, want 1 to %d days; leave it out to keep until somebody erases", r.KeepDays, MaxKeepDays)
	}
	return r.validateLimits(fail)
}

func (r *Rule) validateLimits(fail func(field, format string, args ...any) error) error {
	last, within := -1, time.Duration(0)
	for i, l := range r.Limits {
		at := slices.Index(Steps, l.Step)
		if at < 0 {
			return fail(fmt.Sprintf("deadlines[%d].step", i), "%q, want one of %v", l.Step, Steps)
		}
		if at <= last {
			return fail(fmt.Sprintf("deadlines[%d].step", i), "%q stands twice or out of order; the order is %v", l.Step, Steps)
		}
		if l.Within < time.Second || l.Within > MaxWithin || l.Within%time.Second != 0 {
			return fail(fmt.Sprintf("deadlines[%d].within_s", i), "%v, want whole seconds, 1 s to %v", l.Within, MaxWithin)
		}
		if l.Within < within {
			return fail(fmt.Sprintf("deadlines[%d].within_s", i), "%v is before the step before it (%v)", l.Within, within)
		}
		last, within = at, l.Within
	}
	if len(r.Limits) == 0 || r.Limits[0].Step != StepClaim {
		return fail("deadlines", "the first must be for the step %q", StepClaim)
	}
	return nil
}

func word(s string, ok func(byte) bool) bool {
	if len(s) == 0 || len(s) > maxWord {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
