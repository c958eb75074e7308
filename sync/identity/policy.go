package identity

import (
	"slices"

	"wardline/sync/record"
)

// Right is one thing that an officer may do; a closed list.
type Right string

// The rights that endpoints ask for.
const (
	ReadIncidents Right = "read_incidents"
	ActOnIncident Right = "act"
	// OpenReporter: see who reported; each time is an entry.
	OpenReporter Right = "open_reporter"
	ReadEntries  Right = "read_entries"
	// Export takes the log, or all about an incident, out of the city as proof.
	Export       Right = "export"
	ReadStations Right = "read_stations"
	EnterReport  Right = "enter_report"
	ManageRules  Right = "manage_rules"
	// Broadcast: warn the public. A ward's officer warns the own ward alone, and only at
	// its station while that is cut off; otherwise the city speaks with one voice.
	Broadcast Right = "broadcast"

	ReadAccounts   Right = "read_accounts"
	ManageAccounts Right = "manage_accounts"
	// Own is what an account does with itself: who am I, a new password, its sessions.
	Own Right = "own"
	// Erase: destroy the keys of what identifies people in a closed incident.
	Erase        Right = "erase"
	ReadErasures Right = "read_erasures"
	// ManageMachines: who may enrol, which stations and nodes are turned away.
	ManageMachines Right = "manage_machines"
	// ManageDevices: which kiosks, bridges and cameras there are, and which are revoked.
	ManageDevices Right = "manage_devices"
	// ManageExercises: make exercises and end them.
	ManageExercises Right = "manage_exercises"
	// ReadAdministration: devices, machines, versions of the rules and who changed what,
	// without any secret.
	ReadAdministration Right = "read_administration"
)

// policy is the one table of who may do what. What is not in it is refused.
var policy = map[Right][]Role{
	ReadIncidents: {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor, Auditor},
	ActOnIncident: {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor},
	OpenReporter:  {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor},
	ReadEntries:   {Auditor, Administrator},
	Export:        {Auditor},
	ReadStations:  {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor, Administrator, Auditor},
	EnterReport:   {WardOfficer, DepartmentOfficer, CommandOfficer, Supervisor},
	ManageRules:   {Administrator},
	Broadcast:     {WardOfficer, CommandOfficer, Supervisor},

	ReadAccounts:   {Administrator, Auditor},
	ManageAccounts: {Administrator},
	Own:            Roles,
	Erase:          {Administrator},
	ReadErasures:   {Administrator, Auditor},
	ManageMachines: {Administrator},
	ManageDevices:  {Administrator},

	ReadAdministration: {Administrator, Auditor},
	ManageExercises:    {CommandOfficer, Supervisor},
}

// May says whether the officer's role has the right.
func (o Officer) May(r Right) bool { return slices.Contains(policy[r], o.Role) }

// Access is who may call an endpoint.
type Access struct {
	// Open: anybody, without saying who.
	Open bool
	// Device: a device with its credential, if its kind may (deviceKinds).
	Device bool
	// Right: officers whose role has it; empty: none.
	Right Right
	// First: also an officer who must choose a new password first.
	First bool
}

// Endpoints is the one table of who may call what, by the pattern of the route. A
// route that is not in it is refused to everybody, and a test walks all of them with
// every role. What of the incidents an officer then sees is Scope's.
var Endpoints = map[string]Access{
	"POST /api/v1/reports":                 {Device: true, Right: EnterReport},
	"GET /api/v1/reports/{id}":             {Device: true, Right: ReadIncidents},
	"POST /api/v1/reports/{id}/messages":   {Device: true},
	"POST /api/v1/devices":                 {Open: true}, // a phone registers itself; bounded by address
	"GET /api/v1/progress/{id}":            {Open: true}, // by a code that cannot be guessed; its answer names nobody
	"GET /api/v1/incidents":                {Right: ReadIncidents},
	"GET /api/v1/incidents/{id}":           {Right: ReadIncidents},
	"POST /api/v1/incidents/{id}/actions":  {Right: ActOnIncident},
	"POST /api/v1/incidents/{id}/reporter": {Right: OpenReporter},
	"GET /api/v1/statistics":               {Right: ReadIncidents},
	"GET /api/v1/search":                   {Right: ReadIncidents},
	"POST /api/v1/incidents/{id}/erasure":  {Right: Erase},
	"GET /api/v1/erasures":                 {Right: ReadErasures},
	"GET /api/v1/live":                     {Right: ReadIncidents},
	"GET /api/v1/malformed":                {Right: ReadIncidents},
	"GET /api/v1/alerts":                   {Open: true}, // warnings are for everybody
	"GET /api/v1/alerts/feed":              {Open: true},
	"GET /api/v1/alerts/{id}":              {Open: true},
	"POST /api/v1/alerts":                  {Right: Broadcast},
	"GET /api/v1/broadcasts":               {Right: ReadStations},
	"GET /api/v1/points":                   {Right: ReadStations},
	"POST /api/v1/points":                  {Right: ManageRules},
	"GET /api/v1/entries":                  {Right: ReadEntries},
	"GET /api/v1/digest":                   {Right: ReadEntries},
	"GET /api/v1/log/key":                  {Right: ReadEntries},
	"GET /api/v1/log/checkpoint":           {Right: ReadEntries},
	"GET /api/v1/log/inclusion":            {Right: ReadEntries},
	"GET /api/v1/log/consistency":          {Right: ReadEntries},
	"GET /api/v1/log/export":               {Right: Export},
	"GET /api/v1/incidents/{id}/evidence":  {Right: Export},
	"GET /api/v1/stations":                 {Right: ReadStations},
	"GET /api/v1/units":                    {Right: ReadStations},
	"GET /api/v1/rules":                    {Right: ReadStations},
	"GET /api/v1/wards":                    {Right: ReadStations},
	"GET /api/v1/contacts":                 {Right: ReadStations},
	"GET /api/v1/tiles":                    {Right: ReadStations},
	"POST /api/v1/rules":                   {Right: ManageRules},
	"POST /api/v1/wards":                   {Right: ManageRules},
	"GET /api/v1/users":                    {Right: ReadAccounts},
	"POST /api/v1/users":                   {Right: ManageAccounts},
	"PATCH /api/v1/users/{user}":           {Right: ManageAccounts},
	"POST /api/v1/users/{user}/password":   {Right: ManageAccounts},
	"GET /api/v1/exercises":                {Right: ReadStations},
	"POST /api/v1/exercises":               {Right: ManageExercises},
	"POST /api/v1/exercises/{id}/end":      {Right: ManageExercises},
	"GET /api/v1/changes":                  {Right: ReadAdministration},
	"GET /api/v1/rules/versions":           {Right: ReadAdministration},
	"POST /api/v1/rules/check":             {Right: ManageRules},
	"POST /api/v1/wards/preview":           {Right: ManageRules},
	"GET /api/v1/devices":                  {Right: ReadAdministration},
	"PUT /api/v1/devices/{id}":             {Right: ManageDevices},
	"DELETE /api/v1/devices/{id}":          {Right: ManageDevices},
	"GET /api/v1/machines":                 {Right: ReadAdministration},
	"POST /api/v1/machines":                {Right: ManageMachines},
	"POST /api/v1/me/password":             {Right: Own, First: true},
	"GET /api/v1/me/sessions":              {Right: Own, First: true},
	"DELETE /api/v1/me/sessions":           {Right: Own, First: true},
	"DELETE /api/v1/me/sessions/{session}": {Right: Own, First: true},
	"GET /api/v1/users/{user}/sessions":    {Right: ReadAccounts},
	"DELETE /api/v1/users/{user}/sessions": {Right: ManageAccounts},

	"DELETE /api/v1/users/{user}/sessions/{session}": {Right: ManageAccounts},
	"GET /api/v1/tiles/{version}/{z}/{x}/{y}":        {Right: ReadStations},

	"GET /api/v1/me":            {Device: true, Right: Own, First: true},
	"POST /api/v1/session":      {Open: true},
	"GET /api/v1/oidc":          {Open: true}, // whether there is a button
	"GET /api/v1/oidc/login":    {Open: true},
	"GET /api/v1/oidc/callback": {Open: true}, // only with what the log-in left in the browser
	"DELETE /api/v1/session":    {Open: true},
	"GET /healthz":              {Open: true},
	"GET /readyz":               {Open: true},
	"GET /metrics":              {Open: true}, // figures alone; a test holds their labels to a closed list
	"GET /openapi.yaml":         {Open: true},
	"GET /asyncapi.yaml":        {Open: true},
	"GET /{$}":                  {Open: true}, // the pages hold no data; what they show they ask for
	"GET /desk/":                {Open: true},
	"GET /command/":             {Open: true},
	"GET /citizen/":             {Open: true},
	"GET /admin/":               {Open: true},
	"GET /assets/{file}":        {Open: true},
}

// Admits says whether an officer may call an endpoint.
func (a Access) Admits(o Officer) bool {
	return a.Right != "" && o.May(a.Right) && (a.First || !o.MustChange)
}

// AdmitsDevice says whether a device may call an endpoint.
func (a Access) AdmitsDevice(d Device) bool { return a.Device && d.Kind != kindCamera }

// kindCamera is the kind of a device that sends pictures and reports nothing.
const kindCamera = "camera"

// actions is the one table of who may do what with an incident. What is not in it is
// refused.
var actions = func() map[record.Kind][]Role {
	desk := policy[ActOnIncident]
	m := map[record.Kind][]Role{record.KindOpened: policy[OpenReporter],
		record.KindRedact: {CommandOfficer, Supervisor}} // hiding what somebody wrote
	for _, k := range []record.Kind{record.KindClaim, record.KindRelease, record.KindClassify, record.KindVerify, record.KindForward, record.KindAccept,
		record.KindDispatch, record.KindArrive, record.KindResolve, record.KindClose, record.KindReopen, record.KindNote, record.KindContact,
		record.KindMerge, record.KindSplit, record.KindPark, record.KindHandover, record.KindWithdraw, record.KindReal} {
		m[k] = desk
	}
	return m
}()

// MayAct says whether the officer may do this with an incident for a unit: for
// another than the officer's own only who sees every incident.
func (o Officer) MayAct(k record.Kind, unit record.UnitID) bool {
	return o.May(ActOnIncident) && slices.Contains(actions[k], o.Role) && (unit == "" || unit == o.Unit || o.Scope() == All)
}

// Scope is which incidents an officer sees.
type Scope string

// The scopes.
const (
	None Scope = "none"
	Told Scope = "told" // those that the officer's unit was told of, or leads
	All  Scope = "all"
)

// Scope is which incidents the officer sees where an endpoint shows any.
func (o Officer) Scope() Scope {
	switch o.Role {
	case CommandOfficer, Auditor:
		return All
	case Supervisor:
		if o.Unit == record.Command {
			return All
		}
		return Told
	case WardOfficer, DepartmentOfficer:
		return Told
	}
	return None
}

// SeesAll says whether the officer sees every incident.
func (o Officer) SeesAll() bool { return o.Scope() == All }

// Sees says whether the officer may see an incident.
func (o Officer) Sees(in *record.Incident) bool {
	switch o.Scope() {
	case All:
		return true
	case Told:
		_, told := in.Unit(o.Unit)
		return told || in.Lead == o.Unit
	}
	return false
}
