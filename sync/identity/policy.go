package identity

import (
	"slices"

	"wardline/sync/record"
)

// Right is one thing that a caller may do; a closed list.
type Right string

// The rights that endpoints ask for.
const (
	ReadIncidents Right = "read_incidents"
	ActOnIncident Right = "act"
	ReadEntries   Right = "read_entries"
	ReadStations  Right = "read_stations"
	EnterReport   Right = "enter_report"
	ManageRules   Right = "manage_rules"

	ReadAccounts   Right = "read_accounts"
	ManageAccounts Right = "manage_accounts"
	ChangeOwn      Right = "change_own"
)

// policy is the one table of who may do what. What is not in it is refused.
var policy = map[Right][]Role{
	ReadIncidents: {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor, Auditor},
	ActOnIncident: {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor},
	ReadEntries:   {Auditor, Administrator},
	ReadStations:  {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor, Administrator, Auditor},
	EnterReport:   {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor},
	ManageRules:   {Administrator},

	ReadAccounts:   {Administrator, Auditor},
	ManageAccounts: {Administrator},
	ChangeOwn:      Roles,
}

// May says whether the officer's role has the right.
func (o Officer) May(r Right) bool { return slices.Contains(policy[r], o.Role) }

// SeesAll says whether the officer sees every incident, and not only those of
// which the officer's unit was told.
func (o Officer) SeesAll() bool {
	switch o.Role {
	case CommandOfficer, Auditor:
		return true
	case Supervisor:
		return o.Unit == record.Command
	}
	return false
}

// Sees says whether the officer may see an incident.
func (o Officer) Sees(in *record.Incident) bool {
	if o.SeesAll() {
		return true
	}
	_, told := in.Unit(o.Unit)
	return told || in.Lead == o.Unit
}
