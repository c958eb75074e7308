package cap

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"

	"wardline/sync/routing"
)

// parseTime reads CAP's time (3.3.2): a zone in digits, never Z.
func parseTime(s string) (Time, error) {
	if strings.HasSuffix(s, "Z") || strings.HasSuffix(s, "z") {
		return 0, strconv.ErrSyntax
	}
	t, err := time.Parse(time.RFC3339, s)
	return Time(t.Unix() * 1000), err
}

// String is sender,identifier,sent.
func (r Reference) String() string { return r.Sender + "," + r.Identifier + "," + r.Sent.String() }

func parseReference(s string) (Reference, error) {
	f := strings.Split(s, ",")
	if len(f) != 3 {
		return Reference{}, strconv.ErrSyntax
	}
	at, err := parseTime(f[2])
	return Reference{Sender: f[0], Identifier: f[1], Sent: at}, err
}

// parsePair reads "latitude,longitude": latitude first (WGS 84, 3.2.4).
func parsePair(s string) (routing.Point, error) {
	a, b, ok := strings.Cut(s, ",")
	lat, err := strconv.ParseFloat(a, 64)
	lon, err2 := strconv.ParseFloat(b, 64)
	if !ok || err != nil || err2 != nil {
		return routing.Point{}, fmt.Errorf("%q is no pair of numbers", cut(s))
	}
	p, ok := point(lat, lon)
	if !ok {
		return p, fmt.Errorf("%q lies outside ±90, ±180 degrees", cut(s))
	}
	return p, nil
}

func parsePolygon(s string) (Polygon, error) {
	f := strings.Fields(s)
	if len(f) > maxPoints {
		return nil, fmt.Errorf("%d points, at most %d", len(f), maxPoints)
	}
	p := make(Polygon, 0, len(f))
	for _, t := range f {
		q, err := parsePair(t)
		if err != nil {
			return nil, err
		}
		p = append(p, q)
	}
	return p, nil
}

func pair(p routing.Point) string { return degrees(p.LatE7) + "," + degrees(p.LonE7) }

// String is CAP's polygon: "latitude,longitude" with spaces between.
func (p Polygon) String() string {
	all := make([]string, len(p))
	for i, q := range p {
		all[i] = pair(q)
	}
	return strings.Join(all, " ")
}

// out writes elements in the order of the schema.
type out struct {
	b      bytes.Buffer
	indent string
}

func (o *out) line(name, v string) {
	if v == "" {
		return
	}
	fmt.Fprintf(&o.b, "%s<%s>", o.indent, name)
	_ = xml.EscapeText(&o.b, []byte(v)) // a buffer takes everything
	fmt.Fprintf(&o.b, "</%s>\n", name)
}

func (o *out) time(name string, t Time) {
	if t != 0 {
		o.line(name, t.String())
	}
}

func (o *out) block(name string, f func()) {
	fmt.Fprintf(&o.b, "%s<%s>\n", o.indent, name)
	o.indent += "  "
	f()
	o.indent = o.indent[2:]
	fmt.Fprintf(&o.b, "%s</%s>\n", o.indent, name)
}

func (o *out) values(name string, list []Value) {
	for _, v := range list {
		o.block(name, func() {
			o.line("valueName", v.Name)
			o.line("value", v.Value)
		})
	}
}

// XML is the message as other systems read it: application/cap+xml in UTF-8.
func (a *Alert) XML() []byte {
	o := &out{indent: "  "}
	fmt.Fprintf(&o.b, "%s<alert xmlns=%q>\n", xml.Header, Namespace)
	o.line("identifier", a.Identifier)
	o.line("sender", a.Sender)
	o.time("sent", a.Sent)
	o.line("status", a.Status)
	o.line("msgType", a.MsgType)
	o.line("source", a.Source)
	o.line("scope", a.Scope)
	o.line("restriction", a.Restriction)
	o.line("addresses", a.Addresses)
	for _, v := range a.Codes {
		o.line("code", v)
	}
	o.line("note", a.Note)
	refs := make([]string, len(a.References))
	for i, r := range a.References {
		refs[i] = r.String()
	}
	o.line("references", strings.Join(refs, " "))
	o.line("incidents", a.Incidents)
	for i := range a.Infos {
		o.block("info", func() { o.info(&a.Infos[i]) })
	}
	o.b.WriteString("</alert>\n")
	return o.b.Bytes()
}

func (o *out) info(in *Info) {
	o.line("language", in.Language)
	for _, v := range in.Categories {
		o.line("category", v)
	}
	o.line("event", in.Event)
	for _, v := range in.ResponseTypes {
		o.line("responseType", v)
	}
	o.line("urgency", in.Urgency)
	o.line("severity", in.Severity)
	o.line("certainty", in.Certainty)
	o.line("audience", in.Audience)
	o.values("eventCode", in.EventCodes)
	o.time("effective", in.Effective)
	o.time("onset", in.Onset)
	o.time("expires", in.Expires)
	o.line("senderName", in.SenderName)
	o.line("headline", in.Headline)
	o.line("description", in.Description)
	o.line("instruction", in.Instruction)
	o.line("web", in.Web)
	o.line("contact", in.Contact)
	o.values("parameter", in.Parameters)
	for _, r := range in.Resources {
		o.block("resource", func() {
			o.line("resourceDesc", r.Desc)
			o.line("mimeType", r.Type)
			if r.Bytes > 0 {
				o.line("size", strconv.FormatUint(r.Bytes, 10))
			}
			o.line("uri", r.URI)
			o.line("digest", r.Digest)
		})
	}
	for i := range in.Areas {
		a := &in.Areas[i]
		o.block("area", func() {
			o.line("areaDesc", a.Desc)
			for _, p := range a.Polygons {
				o.line("polygon", p.String())
			}
			for _, c := range a.Circles {
				o.line("circle", pair(c.Centre)+" "+c.Radius)
			}
			o.values("geocode", a.Geocodes)
			o.line("altitude", a.Altitude)
			o.line("ceiling", a.Ceiling)
		})
	}
}
