package report

import "wardline/sync/record"

// The limits of what a source may send.
const (
	// MaxPayload bounds one report as it travels, in bytes: the longest text
	// written as \uXXXX escapes takes 48,000, the other texts 6,000 and 16 media
	// 5,000. With it a body stays far below record.MaxBody and Badger's value
	// threshold.
	MaxPayload = 64 << 10
	// MaxText bounds the text, in characters (Unicode code points): three written
	// pages, more than anybody types on a phone in need.
	MaxText = 8000
	// MaxPlaceText bounds the description of a place: building, floor, landmark.
	MaxPlaceText = 500
	// MaxName bounds a reporter's name; the longest names on papers stay below 100.
	MaxName = 200
	// MaxPhone bounds a telephone number: E.164 has 15 digits, the rest is for
	// separators and an extension.
	MaxPhone = 40
	// MaxMedia bounds the photos, clips and documents of one report; what is more
	// is sent as a further report or added by an officer.
	MaxMedia = 16
	// MaxMediaType bounds a media type, in bytes: RFC 6838, section 4.2, allows 127
	// for each half, the registered ones with codecs stay below 100.
	MaxMediaType = 127
	// MaxMediaBytes bounds one medium: 4 GiB is ten minutes of 4K video, and the
	// largest file of a FAT32 card.
	MaxMediaBytes = 4 << 30
	// MaxAccuracyCM caps the accuracy of a place, 100 km: beyond it a position
	// says nothing about a city, and routing looks no further.
	MaxAccuracyCM = 100_000_00
	// MaxDepth bounds the nesting of ignored fields; ours has three levels, and
	// nothing that a device adds for itself needs more than 32.
	MaxDepth = 32
	// maxWarnings bounds what is answered to one report: each field of one can
	// warn once, repeated keys could do so thousands of times.
	maxWarnings = 32
)

// DefaultMediaType stands for a medium whose type was not said (RFC 2046,
// section 4.5.1): a browser gives an empty type for a file that it does not know.
const DefaultMediaType = "application/octet-stream"

// Report is what one source sent. Texts are UTF-8.
type Report struct {
	// ID is made by the source: a UUID of any version (RFC 9562), never zero.
	ID       record.ID
	Category record.Category
	Text     string
	// PlaceText says where inside: building, floor, landmark. Never routed by.
	PlaceText string
	// Place is nil when the source named none, or only 0°, 0° (see Parse).
	Place *record.Place
	// CapturedAt is when it happened and SentAt when it was sent, both by the
	// source's clock: milliseconds since the Unix epoch, UTC; 0 means not said.
	// See When for what they are worth.
	CapturedAt, SentAt int64
	// ClockDoubt: one of the two was said and could not be read.
	ClockDoubt bool
	Reporter   Reporter
	Media      []record.Medium
	// Exercise is that of which the source says to be part; zero: none. The door decides
	// whether it may say so (package exercise).
	Exercise record.ID
}

// Reporter is who reports, as far as the source says. It identifies a person:
// it belongs into the sealed part of an entry and into no log.
type Reporter struct {
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
	// Anonymous: the reporter asks not to be named. Name and phone are kept as
	// they were sent; who may see them is decided elsewhere.
	Anonymous bool `json:"anonymous,omitempty"`
}

// Warning is something about a report that did not refuse it.
type Warning struct {
	// Field is the path of the field, as location.fixed_at or media[2].type.
	Field string `json:"field"`
	// Detail is a sentence that says what was done and what to do.
	Detail string `json:"detail"`
}
