package report

import (
	"net/http"
	"strings"

	"wardline/sync/record"
)

// ProblemType is why a report was refused; a closed list, part of the interface.
type ProblemType string

// The problem types.
const (
	// NotJSON: the payload is not one JSON text (RFC 8259).
	NotJSON ProblemType = "not_json"
	// WrongType: a field holds another JSON type than it should.
	WrongType ProblemType = "wrong_type"
	// Missing: a required field is not there or null.
	Missing ProblemType = "missing"
	// InvalidID: the id is no UUID, or the zero one.
	InvalidID ProblemType = "invalid_id"
	// UnknownCategory: the category is not one of record.Categories.
	UnknownCategory ProblemType = "unknown_category"
	// InvalidValue: a text has not the form that its field asks for.
	InvalidValue ProblemType = "invalid_value"
	// OutOfRange: a number is too small or too large, or not whole.
	OutOfRange ProblemType = "out_of_range"
	// TooLarge: the payload or a text is longer than its limit.
	TooLarge ProblemType = "too_large"
	// TooMany: a list is longer than its limit.
	TooMany ProblemType = "too_many"
	// TooDeep: an ignored field is nested deeper than MaxDepth.
	TooDeep ProblemType = "too_deep"
	// Duplicate: id or category stands there more than once.
	Duplicate ProblemType = "duplicate"
	// WrongCharset: the payload is not UTF-8 without a byte order mark.
	WrongCharset ProblemType = "wrong_charset"
)

var titles = map[ProblemType]string{
	NotJSON:         "The report is not JSON",
	WrongType:       "A field has the wrong type",
	Missing:         "A required field is missing",
	InvalidID:       "The id is not a UUID",
	UnknownCategory: "The category is not known",
	InvalidValue:    "A field has the wrong form",
	OutOfRange:      "A number is out of range",
	TooLarge:        "The report or a text is too long",
	TooMany:         "A list is too long",
	TooDeep:         "A field is nested too deeply",
	Duplicate:       "A field is given twice",
	WrongCharset:    "The report is not UTF-8",
}

// ProblemTypes lists every type, in the order of the constants.
var ProblemTypes = []ProblemType{NotJSON, WrongType, Missing, InvalidID, UnknownCategory, InvalidValue,
	OutOfRange, TooLarge, TooMany, TooDeep, Duplicate, WrongCharset}

// Problem says why a report was refused for good: sent again unchanged it will
// be refused again.
type Problem struct {
	Type ProblemType
	// Field is the path of the field at fault, as location.lat or
	// media[2].sha256; empty when the payload as a whole is (Where).
	Field string
	// Detail is an English sentence that says what to do.
	Detail string
	// ID is the report's id; zero when it could not be read.
	ID record.ID
}

var _ error = (*Problem)(nil)

// Error is the type, the field and the detail. It holds nothing that the source wrote.
func (p *Problem) Error() string {
	if p.Field == "" {
		return "report: " + string(p.Type) + ": " + p.Detail
	}
	return "report: " + string(p.Type) + ": " + p.Field + ": " + p.Detail
}

// Status is the HTTP status: 413 for a payload over MaxPayload, otherwise 400.
func (p *Problem) Status() int {
	if p.Type == TooLarge && p.Field == "" {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// Whole stands for the field where the payload as a whole is at fault: it is
// not JSON, too large, not UTF-8. No report has a field of this name.
const Whole = "payload"

// Where is the field at fault, or Whole: what a sender and a desk are told.
func (p *Problem) Where() string {
	if p.Field == "" {
		return Whole
	}
	return p.Field
}

// URI is the type as a relative reference, /problems/wrong-type (RFC 9457,
// section 3.1.1).
func (p *Problem) URI() string {
	return "/problems/" + strings.ReplaceAll(string(p.Type), "_", "-")
}

// Details is a problem as it stands in answers (RFC 9457, section 3); field and
// id are extension members.
type Details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
	ID     string `json:"id,omitempty"`
}

// Details is the problem as it stands in answers.
func (p *Problem) Details() Details {
	d := Details{Type: p.URI(), Title: titles[p.Type], Status: p.Status(), Detail: p.Detail, Field: p.Where()}
	if !p.ID.Zero() {
		d.ID = p.ID.String()
	}
	return d
}
