// Package report reads what a source may send: it parses, checks and names
// the field at fault. It is the same at the ward's door and at the city's.
//
// A report that is well-formed is never refused for its time: a wrong clock is
// a warning. Unknown fields are ignored. The package keeps nothing and reads
// no clock.
package report

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"wardline/sync/record"
)

// Limits of a report, each in the unit that its name says.
const (
	// MaxBytes bounds the JSON text. The longest honest report (8,000
	// characters of Vietnamese, all escaped) fits in it.
	MaxBytes = 64 << 10
	// MaxText bounds the free text, in characters: several minutes of typing.
	MaxText = 8000
	// MaxPlaceText bounds building, floor and landmark, in characters.
	MaxPlaceText = 500
	// MaxName and MaxPhone bound what a reporter says of himself, in characters.
	MaxName  = 200
	MaxPhone = 40
	// MaxMedia bounds how many photos and clips one report names.
	MaxMedia = 16
	// MaxMediaBytes bounds one medium: an hour of phone video.
	MaxMediaBytes = 8 << 30
	// MaxAccuracyM cuts an accuracy: beyond 1,000 km a place says nothing.
	MaxAccuracyM = 1_000_000
)

// Report is a report as its source meant it. Times are milliseconds since the
// Unix epoch, UTC; 0 means not said.
type Report struct {
	ID         record.ID
	Category   record.Category
	Text       string
	PlaceText  string
	Place      *record.Place
	CapturedAt int64
	SentAt     int64
	Reporter   *Reporter
	Media      []Medium
}

// Reporter is who reports, as far as he says.
type Reporter struct {
	Name      string `json:"name,omitempty"`
	Phone     string `json:"phone,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`
}

// Medium is a photo or clip, named by its content; the bytes come later.
type Medium struct {
	SHA256 record.Hash `json:"sha256"`
	Type   string      `json:"type"`
	Bytes  int64       `json:"bytes"`
}

// Warning is something that did not refuse the report.
type Warning struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// ProblemType says why a report was refused for good; a closed list.
type ProblemType string

// The problems.
const (
	NotJSON         ProblemType = "not_json"
	WrongCharset    ProblemType = "wrong_charset"
	WrongType       ProblemType = "wrong_type"
	Missing         ProblemType = "missing"
	InvalidID       ProblemType = "invalid_id"
	UnknownCategory ProblemType = "unknown_category"
	OutOfRange      ProblemType = "out_of_range"
	TooLarge        ProblemType = "too_large"
	TooMany         ProblemType = "too_many"
)

// Problem says what is wrong with a report, in which field, and what to do.
type Problem struct {
	Type   ProblemType
	Field  string
	Detail string
	// ID is the report's id as far as it could be read.
	ID string
}

// Error names the field and what to do.
func (p *Problem) Error() string {
	if p.Field == "" {
		return p.Detail
	}
	return p.Field + ": " + p.Detail
}

func problem(t ProblemType, field, format string, a ...any) *Problem {
	return &Problem{Type: t, Field: field, Detail: fmt.Sprintf(format, a...)}
}

// Fingerprint sums up the fields of a report, so that a repeat is told from
// another content under the same id. It covers what the fields say, not how
// the JSON was written, and leaves out sent_at, which differs at each try.
func Fingerprint(r *Report) record.Hash {
	b := make([]byte, 0, 256+len(r.Text))
	b = append(b, 1) // version
	b = append(b, r.ID[:]...)
	str := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	str(string(r.Category))
	str(r.Text)
	str(r.PlaceText)
	if p := r.Place; p != nil {
		b = append(b, 1)
		b = binary.BigEndian.AppendUint32(b, uint32(p.LatE7))
		b = binary.BigEndian.AppendUint32(b, uint32(p.LonE7))
		b = binary.BigEndian.AppendUint32(b, p.AccuracyCM)
		b = binary.BigEndian.AppendUint64(b, uint64(p.FixedAt))
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.CapturedAt))
	if who := r.Reporter; who != nil {
		b = append(b, 1)
		str(who.Name)
		str(who.Phone)
		if who.Anonymous {
			b = append(b, 1)
		}
	} else {
		b = append(b, 0)
	}
	for _, m := range r.Media {
		b = append(b, m.SHA256[:]...)
		str(m.Type)
		b = binary.BigEndian.AppendUint64(b, uint64(m.Bytes))
	}
	return sha256.Sum256(b)
}
