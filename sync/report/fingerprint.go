package report

import (
	"crypto/sha256"
	"encoding/binary"

	"wardline/sync/record"
)

// Fingerprint sums up what the fields of a report say, so that a report that
// comes again is told from another content under the same id. It covers id,
// category, both texts, the place with its accuracy and time, the time of
// capture, the reporter, the media in their order, and the exercise if one is named. It leaves out how the
// JSON was written, ignored fields, and sent_at with its doubt, which differ at
// each try. Its value is kept in entries (record.Payload.Fingerprint): another
// layout must begin with another version.
func (r *Report) Fingerprint() record.Hash {
	const version = 2
	b := make([]byte, 0, 256+len(r.Text)+len(r.PlaceText)+64*len(r.Media))
	b = append(b, version)
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
	str(r.Reporter.Name)
	str(r.Reporter.Phone)
	if r.Reporter.Anonymous {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Media)))
	for _, m := range r.Media {
		b = append(b, m.SHA256[:]...)
		str(m.Type)
		b = binary.BigEndian.AppendUint64(b, m.Bytes)
	}
	if !r.Exercise.Zero() { // reports that are none of an exercise keep the sums that they have
		b = append(b, r.Exercise[:]...)
	}
	return sha256.Sum256(b)
}
