package routing

import (
	"sync"
	"time"

	"wardline/sync/record"
)

// Step is something that must have happened to an incident by a deadline; a
// closed list, named as the officers' actions are.
type Step string

// The steps, in the order in which they are due.
const (
	StepClaim    Step = "claim"    // an officer of the leading unit has it
	StepClassify Step = "classify" // its category and priority are settled
	StepVerify   Step = "verify"   // known to be true or false
	StepDispatch Step = "dispatch" // a patrol is on its way
	StepArrive   Step = "arrive"   // the patrol is on scene
	StepResolve  Step = "resolve"  // settled
	StepClose    Step = "close"    // the file is closed
)

// Steps lists every step in the order in which they are due.
var Steps = []Step{StepClaim, StepClassify, StepVerify, StepDispatch, StepArrive, StepResolve, StepClose}

// Limits of a set of rules.
const (
	// MaxDepartments bounds the departments told for one category; the city has
	// some 35, and who is told of everything looks at nothing.
	MaxDepartments = 8
	// MaxContacts bounds the numbers shown beside a report.
	MaxContacts = 8
	// MaxWithin bounds a deadline: the longest that the law gives is months.
	MaxWithin = 366 * 24 * time.Hour
	// MaxKeepDays bounds KeepDays: a hundred years.
	MaxKeepDays = 36525
	// maxWord bounds a department's name and a contact, in bytes.
	maxWord = 24
)

// Limit is how long after the capture a step may take; whole seconds.
type Limit struct {
	Step   Step
	Within time.Duration
}

// Rule is what follows from a category.
type Rule struct {
	Priority    record.Priority
	Lane        record.LaneID
	Departments []record.UnitID
	// Contacts are telephone numbers that the desk shows beside the report, of
	// services that have no desk here ("115").
	Contacts []string
	// KeepDays is how long after the last entry about a closed incident what identifies
	// people in it is kept, in days; then it is erased. 0: until somebody erases it.
	KeepDays int
	// Limits stand in the order of [Steps]; a step without one has no deadline.
	Limits []Limit
}

// Rules is one version of the routing rules: data, with dates of effect.
type Rules struct {
	// Version grows with every change; version 0 is [DefaultRules].
	Version uint32
	// From and Until are the dates of effect, milliseconds since the Unix epoch,
	// UTC; Until is exclusive, 0 means open.
	From, Until int64
	// Categories has a rule for every category.
	Categories map[record.Category]Rule
}

// InEffect says whether the rules are in effect at a time (milliseconds since
// the Unix epoch, UTC).
func (r *Rules) InEffect(at int64) bool {
	return at >= r.From && (r.Until == 0 || at < r.Until)
}

// Pick chooses, of the rules that were activated, the highest version that is
// in effect at a time; when there is none, the default (shared, not to be changed). The time is when a door
// received the report: who reports late reaches the units that exist now.
func Pick(active []*Rules, at int64) *Rules {
	var best *Rules
	for _, r := range active {
		if r.InEffect(at) && (best == nil || r.Version > best.Version) {
			best = r
		}
	}
	if best == nil {
		return defaults()
	}
	return best
}

// defaults is one copy of [DefaultRules] that nobody changes.
var defaults = sync.OnceValue(DefaultRules)

// DefaultRules are the sample rules, for the owner to confirm. Priority, lane,
// departments and the time to claim are the project's sample table. The other
// deadlines are ours: an urgent report is verified and has a patrol within
// minutes, and what became of it is known within the 4 hours in which urgent
// matters must have reached the city in writing (24 for an accident); a crime is
// settled within the 20 days that the rules of work give, and whatever is not
// urgent is checked within their 24 hours.
//
//	category          priority  lane     departments  claim   verify  dispatch  resolve
//	panic             P1        urgent   PC02 PK02    60 s    3 min   5 min     4 h
//	fire              P1        urgent   PC07         60 s    3 min   5 min     4 h
//	emergency         P1        urgent   PC07 PK02    60 s    3 min   5 min     4 h
//	medical           P1        urgent   (call 115)   60 s    3 min   5 min     4 h
//	crime             P2        urgent   PC02         3 min   10 min  15 min    20 d
//	traffic_accident  P2        urgent   PC08         3 min   10 min  15 min    24 h
//	security          P3        routine  PC06         15 min  24 h              20 d
//	feedback          P4        routine  PC06         24 h    48 h              20 d
//
// Every call gives a copy of its own.
func DefaultRules() *Rules {
	const day = 24 * time.Hour
	limits := func(claim, verify, dispatch, resolve time.Duration) []Limit {
		l := []Limit{{StepClaim, claim}, {StepVerify, verify}}
		if dispatch > 0 {
			l = append(l, Limit{StepDispatch, dispatch})
		}
		return append(l, Limit{StepResolve, resolve})
	}
	rule := func(p record.Priority, lane record.LaneID, l []Limit, departments ...record.UnitID) Rule {
		return Rule{Priority: p, Lane: lane, Departments: departments, Limits: l}
	}
	p1 := func() []Limit { return limits(time.Minute, 3*time.Minute, 5*time.Minute, 4*time.Hour) }
	medical := rule(1, record.Urgent, p1())
	medical.Contacts = []string{"115"}
	return &Rules{Categories: map[record.Category]Rule{
		record.Panic:           rule(1, record.Urgent, p1(), "PC02", "PK02"),
		record.Fire:            rule(1, record.Urgent, p1(), "PC07"),
		record.Emergency:       rule(1, record.Urgent, p1(), "PC07", "PK02"),
		record.Medical:         medical,
		record.Crime:           rule(2, record.Urgent, limits(3*time.Minute, 10*time.Minute, 15*time.Minute, 20*day), "PC02"),
		record.TrafficAccident: rule(2, record.Urgent, limits(3*time.Minute, 10*time.Minute, 15*time.Minute, day), "PC08"),
		record.Security:        rule(3, record.Routine, limits(15*time.Minute, day, 0, 20*day), "PC06"),
		record.Feedback:        rule(4, record.Routine, limits(day, 2*day, 0, 20*day), "PC06"),
	}}
}

// For is the rule of a category. A silent alarm is at least a panic: the
// higher priority, the urgent lane, the departments and contacts of both, the
// earlier of two deadlines. A category that the rules do not know (a newer source) is taken as an emergency.
func (r *Rules) For(c record.Category, silent bool) Rule {
	rule, ok := r.Categories[c]
	if !ok {
		rule = r.Categories[record.Emergency]
	}
	if silent && c != record.Panic {
		rule = stricter(rule, r.Categories[record.Panic])
	}
	return rule
}

func stricter(a, b Rule) Rule {
	out := Rule{Priority: min(a.Priority, b.Priority), Lane: record.Urgent,
		Departments: union(a.Departments, b.Departments), Contacts: union(a.Contacts, b.Contacts)}
	for _, s := range Steps {
		within := time.Duration(-1)
		for _, l := range [][]Limit{a.Limits, b.Limits} {
			for _, v := range l {
				if v.Step == s && (within < 0 || v.Within < within) {
					within = v.Within
				}
			}
		}
		if within >= 0 {
			out.Limits = append(out.Limits, Limit{s, within})
		}
	}
	return out
}

func union[T comparable](a, b []T) []T {
	out := append([]T(nil), a...)
next:
	for _, v := range b {
		for _, u := range a {
			if u == v {
				continue next
			}
		}
		out = append(out, v)
	}
	return out
}
