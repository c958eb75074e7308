package record

import (
	"encoding/binary"
	"fmt"
)

// Tags of the payload's fields, written in ascending order, each once; part
// of the stored format.
const (
	tagReport = iota + 1
	tagFingerprint
	tagCategory
	tagPriority
	tagPlace
	tagUnit
	tagToUnit
	tagToOfficer
	tagReason
	tagEpoch
	tagTarget
	tagIncidents
	tagPatrol
	tagMedia
	tagSignal
	tagTold
	tagLead
	tagDeadlines
	tagRules
	tagAlgorithm
	tagFlags
	tagSealed
	tagUntil
	tagStep
	tagWard
	tagDistance
	tagData
	tagPart
	tagParts
	tagIndex
)

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

type writer struct {
	b   []byte
	tmp []byte
}

func (w *writer) field(tag uint64, v []byte) {
	w.b = binary.AppendUvarint(w.b, tag)
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *writer) str(tag uint64, s string) {
	if s != "" {
		w.b = binary.AppendUvarint(w.b, tag)
		w.b = appendString(w.b, s)
	}
}

func (w *writer) num(tag uint64, n uint64) {
	if n != 0 {
		w.tmp = binary.AppendUvarint(w.tmp[:0], n)
		w.field(tag, w.tmp)
	}
}

func (w *writer) id(tag uint64, id ID) {
	if !id.Zero() {
		w.field(tag, id[:])
	}
}

func (p *Payload) append(b []byte) ([]byte, error) {
	if len(p.Incidents) > maxList || len(p.Media) > maxList || len(p.Told) > maxList || len(p.Deadlines) > maxList {
		return nil, fmt.Errorf("record: a list in the payload is longer than %d", maxList)
	}
	w := &writer{b: b}
	w.id(tagReport, p.Report)
	if p.Fingerprint != (Hash{}) {
		w.field(tagFingerprint, p.Fingerprint[:])
	}
	w.str(tagCategory, string(p.Category))
	w.num(tagPriority, uint64(p.Priority))
	if p.Place != nil {
		var v [20]byte
		binary.BigEndian.PutUint32(v[0:], uint32(p.Place.LatE7))
		binary.BigEndian.PutUint32(v[4:], uint32(p.Place.LonE7))
		binary.BigEndian.PutUint32(v[8:], p.Place.AccuracyCM)
		binary.BigEndian.PutUint64(v[12:], uint64(p.Place.FixedAt))
		w.field(tagPlace, v[:])
	}
	w.str(tagUnit, string(p.Unit))
	w.str(tagToUnit, string(p.ToUnit))
	w.str(tagToOfficer, p.ToOfficer)
	w.str(tagReason, p.Reason)
	w.num(tagEpoch, uint64(p.Epoch))
	w.id(tagTarget, p.Target)
	if len(p.Incidents) > 0 {
		v := make([]byte, 0, 16*len(p.Incidents))
		for _, id := range p.Incidents {
			v = append(v, id[:]...)
		}
		w.field(tagIncidents, v)
	}
	w.str(tagPatrol, p.Patrol)
	if len(p.Media) > 0 {
		var v []byte
		for _, m := range p.Media {
			v = append(v, m.SHA256[:]...)
			v = binary.AppendUvarint(v, m.Bytes)
			v = appendString(v, m.Type)
		}
		w.field(tagMedia, v)
	}
	if s := p.Signal; s != nil {
		var v []byte
		for _, t := range []string{s.Protocol, s.Account, s.Qualifier, s.Code, s.Group, s.Zone} {
			v = appendString(v, t)
		}
		w.field(tagSignal, v)
	}
	if len(p.Told) > 0 {
		var v []byte
		for _, u := range p.Told {
			v = appendString(v, string(u))
		}
		w.field(tagTold, v)
	}
	w.str(tagLead, string(p.Lead))
	if len(p.Deadlines) > 0 {
		var v []byte
		for _, d := range p.Deadlines {
			v = appendString(v, d.Step)
			v = binary.BigEndian.AppendUint64(v, uint64(d.At))
		}
		w.field(tagDeadlines, v)
	}
	w.num(tagRules, uint64(p.Rules))
	w.num(tagAlgorithm, uint64(p.Algorithm))
	w.num(tagFlags, uint64(p.Flags))
	if s := p.Sealed; s != nil {
		w.b = binary.AppendUvarint(w.b, tagSealed)
		w.b = s.append(binary.AppendUvarint(w.b, uint64(s.size())))
	}
	w.num(tagUntil, uint64(p.Until))
	w.str(tagStep, p.Step)
	w.str(tagWard, string(p.Ward))
	w.num(tagDistance, uint64(p.Distance))
	if len(p.Data) > 0 {
		w.field(tagData, p.Data)
	}
	w.num(tagPart, uint64(p.Part))
	w.num(tagParts, uint64(p.Parts))
	w.num(tagIndex, p.Index)
	return w.b, nil
}

func (p *Payload) read(r *reader) {
	last := uint64(0)
	for len(r.b) > 0 && !r.bad {
		tag := r.uvarint()
		v := reader{b: r.bytes()}
		if tag <= last {
			r.bad = true
			return
		}
		last = tag
		if r.bad {
			return
		}
		p.readField(tag, &v)
		if v.bad {
			r.bad = true
		}
	}
}

func (p *Payload) readField(tag uint64, v *reader) {
	switch tag {
	case tagReport:
		copy(p.Report[:], v.take(16))
	case tagFingerprint:
		copy(p.Fingerprint[:], v.take(32))
	case tagCategory:
		p.Category = Category(v.rest())
	case tagPriority:
		p.Priority = Priority(v.uvarint())
	case tagPlace:
		p.Place = &Place{}
		p.Place.LatE7 = int32(v.uint32())
		p.Place.LonE7 = int32(v.uint32())
		p.Place.AccuracyCM = v.uint32()
		p.Place.FixedAt = int64(v.uint64())
	case tagUnit:
		p.Unit = UnitID(v.rest())
	case tagToUnit:
		p.ToUnit = UnitID(v.rest())
	case tagToOfficer:
		p.ToOfficer = string(v.rest())
	case tagReason:
		p.Reason = string(v.rest())
	case tagEpoch:
		p.Epoch = uint32(v.uvarint())
	case tagTarget:
		copy(p.Target[:], v.take(16))
	case tagIncidents:
		for len(v.b) > 0 && !v.bad {
			var id ID
			copy(id[:], v.take(16))
			p.Incidents = append(p.Incidents, id)
		}
	case tagPatrol:
		p.Patrol = string(v.rest())
	case tagMedia:
		for len(v.b) > 0 && !v.bad {
			var m Medium
			copy(m.SHA256[:], v.take(32))
			m.Bytes = v.uvarint()
			m.Type = string(v.bytes())
			p.Media = append(p.Media, m)
		}
	case tagSignal:
		s := &Signal{}
		for _, t := range []*string{&s.Protocol, &s.Account, &s.Qualifier, &s.Code, &s.Group, &s.Zone} {
			*t = string(v.bytes())
		}
		p.Signal = s
	case tagTold:
		for len(v.b) > 0 && !v.bad {
			p.Told = append(p.Told, UnitID(v.bytes()))
		}
	case tagLead:
		p.Lead = UnitID(v.rest())
	case tagDeadlines:
		for len(v.b) > 0 && !v.bad {
			d := Deadline{Step: string(v.bytes())}
			d.At = int64(v.uint64())
			p.Deadlines = append(p.Deadlines, d)
		}
	case tagRules:
		p.Rules = uint32(v.uvarint())
	case tagAlgorithm:
		p.Algorithm = uint32(v.uvarint())
	case tagFlags:
		p.Flags = Flags(v.uvarint())
	case tagSealed:
		p.Sealed = readSealed(v)
	case tagUntil:
		p.Until = int64(v.uvarint())
	case tagStep:
		p.Step = string(v.rest())
	case tagWard:
		p.Ward = WardCode(v.rest())
	case tagDistance:
		p.Distance = uint32(v.uvarint())
	case tagData:
		p.Data = append([]byte(nil), v.rest()...)
	case tagPart:
		p.Part = uint32(v.uvarint())
	case tagParts:
		p.Parts = uint32(v.uvarint())
	case tagIndex:
		p.Index = v.uvarint()
	}
}

// reader takes values off the front of b; the first value that is not there
// sets bad, and from then on it gives zeroes.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || len(r.b) < n {
		r.bad = true
		return make([]byte, min(max(n, 0), 64))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) rest() []byte { v := r.b; r.b = nil; return v }

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) uvarint() uint64 {
	n, w := binary.Uvarint(r.b)
	if r.bad || w <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}
