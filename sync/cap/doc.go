// Package cap is the Common Alerting Protocol, version 1.2 (OASIS standard,
// 1 July 2010): a public warning as data, and as the XML that other systems read
// and write.
//
// Parse reads what others wrote: bounded, without a document type or entities,
// and an error names the element at fault by its path, as
// alert.info[0].area[1].polygon[0]. XML writes what the schema of OASIS takes; a
// test asks xmllint where the environment variable CAP_XSD names the schema.
//
// A polygon in CAP is a list of "latitude,longitude"; GeoJSON, which the screens
// speak, has longitude first. Polygon is where the two meet: text.go reads and
// writes CAP's order, json.go GeoJSON's, and nothing else knows of either.
//
// It does not check a signature (XML-DSIG) that an alert may carry: who may hand
// an alert in is decided by whom the interface lets in.
package cap

import (
	"fmt"
	"time"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// Limits of an alert.
const (
	// MaxXML is the largest message that is read: a warning is a page of text, twice,
	// and some outlines. As JSON it must fit into one entry of the log.
	MaxXML = 96 << 10
	// maxElements bounds the elements of a message.
	maxElements = 4000
	// maxPoints bounds the points of all its polygons.
	maxPoints = 2000
	// maxInfos bounds the blocks of one alert: a language each.
	maxInfos = 8
	// maxAreas bounds the areas of one block; one per ward of the largest city.
	maxAreas = 200
	// maxList bounds every other list.
	maxList = 100
	// maxText bounds one text, in bytes: four screens of a telephone.
	maxText = 8000
	// maxLine bounds one line, as a headline or a name, in bytes.
	maxLine = 600
)

// Time is milliseconds since the Unix epoch, UTC; 0: not said. CAP counts whole seconds.
type Time int64

// String is CAP's spelling (section 3.3.2): to the second, and UTC as -00:00.
func (t Time) String() string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05") + "-00:00"
}

// Alert is one message: an alert, or its update or cancel.
type Alert struct {
	Identifier  string      `json:"identifier"`
	Sender      string      `json:"sender"`
	Sent        Time        `json:"sent"`
	Status      string      `json:"status"`   // Actual, Exercise, System, Test, Draft
	MsgType     string      `json:"msg_type"` // Alert, Update, Cancel, Ack, Error
	Source      string      `json:"source,omitempty"`
	Scope       string      `json:"scope"` // Public, Restricted, Private
	Restriction string      `json:"restriction,omitempty"`
	Addresses   string      `json:"addresses,omitempty"`
	Codes       []string    `json:"codes,omitempty"`
	Note        string      `json:"note,omitempty"`
	References  []Reference `json:"references,omitempty"`
	Incidents   string      `json:"incidents,omitempty"`
	Infos       []Info      `json:"info"`
}

// Reference names an earlier message.
type Reference struct {
	Sender     string `json:"sender"`
	Identifier string `json:"identifier"`
	Sent       Time   `json:"sent"`
}

// Info is what is said in one language.
type Info struct {
	Language      string     `json:"language"` // RFC 3066; vi, en
	Categories    []string   `json:"categories"`
	Event         string     `json:"event"`
	ResponseTypes []string   `json:"response_types,omitempty"`
	Urgency       string     `json:"urgency"`
	Severity      string     `json:"severity"`
	Certainty     string     `json:"certainty"`
	Audience      string     `json:"audience,omitempty"`
	EventCodes    []Value    `json:"event_codes,omitempty"`
	Effective     Time       `json:"effective,omitempty"`
	Onset         Time       `json:"onset,omitempty"`
	Expires       Time       `json:"expires,omitempty"`
	SenderName    string     `json:"sender_name,omitempty"`
	Headline      string     `json:"headline,omitempty"`
	Description   string     `json:"description,omitempty"`
	Instruction   string     `json:"instruction,omitempty"`
	Web           string     `json:"web,omitempty"`
	Contact       string     `json:"contact,omitempty"`
	Parameters    []Value    `json:"parameters,omitempty"`
	Resources     []Resource `json:"resources,omitempty"`
	Areas         []Area     `json:"areas"`
}

// Value is a named value whose meaning its name's owner knows.
type Value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Resource is a file beside the message, by its address.
type Resource struct {
	Desc   string `json:"desc"`
	Type   string `json:"type"`
	Bytes  uint64 `json:"bytes,omitempty"`
	URI    string `json:"uri,omitempty"`
	Digest string `json:"digest,omitempty"` // SHA-1, as CAP has it
}

// Area is where it holds.
type Area struct {
	Desc     string    `json:"desc"`
	Polygons []Polygon `json:"polygons,omitempty"`
	Circles  []Circle  `json:"circles,omitempty"`
	Geocodes []Value   `json:"geocodes,omitempty"`
	Altitude string    `json:"altitude,omitempty"`
	Ceiling  string    `json:"ceiling,omitempty"`
}

// Polygon is a closed line; the first point stands again at the end.
type Polygon []routing.Point

// Circle is a centre and a radius in kilometres, as a decimal.
type Circle struct {
	Centre routing.Point
	Radius string
}

// WardCode is the name of the geocode that holds a ward's code of five digits.
const WardCode = "VN-WARD"

// The words that the program itself uses.
const (
	Actual   = "Actual"
	Exercise = "Exercise"
	Test     = "Test"

	MsgAlert  = "Alert"
	MsgUpdate = "Update"
	MsgCancel = "Cancel"

	Public = "Public"
)

// ID is the id under which the log knows a message: our own identifiers are ids,
// those of others are derived from sender, identifier and time, as CAP identifies a message.
func (r Reference) ID() record.ID {
	if id, err := record.ParseID(r.Identifier); err == nil {
		return id
	}
	return record.DerivedID("cap", []byte(r.Sender), []byte(r.Identifier), []byte(r.Sent.String()))
}

// Self is the message as another one refers to it.
func (a *Alert) Self() Reference { return Reference{a.Sender, a.Identifier, a.Sent} }

// ID is Self's.
func (a *Alert) ID() record.ID { return a.Self().ID() }

// Expires is the last moment at which any of it holds; 0: it does not say.
func (a *Alert) Expires() (t Time) {
	for i := range a.Infos {
		t = max(t, a.Infos[i].Expires)
	}
	return t
}

// In is what is said in a language, else the first that there is; nil when nothing is.
func (a *Alert) In(language string) *Info {
	for i := range a.Infos {
		if l := a.Infos[i].Language; len(l) >= len(language) && l[:len(language)] == language {
			return &a.Infos[i]
		}
	}
	if len(a.Infos) == 0 {
		return nil
	}
	return &a.Infos[0]
}

// Fault says what is wrong with an element, and what to do.
type Fault struct {
	Element string // alert.info[0].urgency
	Wrong   string
	Do      string
}

// Error names the element first.
func (f *Fault) Error() string { return fmt.Sprintf("%s: %s (%s)", f.Element, f.Wrong, f.Do) }

// Fault is the three of them; the interface's errors are made of it.
func (f *Fault) Fault() (field, wrong, do string) { return f.Element, f.Wrong, f.Do }

func fault(element, do, wrong string, a ...any) error {
	return &Fault{Element: element, Wrong: fmt.Sprintf(wrong, a...), Do: do}
}
