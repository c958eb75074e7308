package cap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Namespace is that of CAP 1.2.
const Namespace = "urn:oasis:names:tc:emergency:cap:1.2"

const signatures = "http://www.w3.org/2000/09/xmldsig#"

// node is an element as it was read.
type node struct {
	name string
	text string
	kids []*node
	path string
}

// tree reads the elements. A document type, an entity that XML itself does not
// know, an instruction and another namespace are refused; a signature is passed over.
func tree(raw []byte) (*node, error) {
	if len(raw) > MaxXML {
		return nil, fault("alert", "shorten it", "%d bytes, at most %d", len(raw), MaxXML)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii") {
			return in, nil
		}
		return nil, fmt.Errorf("the encoding is %q; send UTF-8", cut(charset))
	}
	var root *node
	var open []*node
	elements := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			at := "alert"
			if len(open) > 0 {
				at = open[len(open)-1].path
			}
			return nil, fault(at, "send well-formed XML in UTF-8, with no entities but those of XML itself", "%s", strings.TrimPrefix(err.Error(), "XML syntax error "))
		}
		switch x := tok.(type) {
		case xml.Directive:
			return nil, fault("alert", "leave it out", "a document type is not taken")
		case xml.ProcInst:
			if x.Target != "xml" {
				return nil, fault("alert", "leave it out", "a processing instruction is not taken")
			}
		case xml.StartElement:
			if elements++; elements > maxElements {
				return nil, fault("alert", "shorten it", "more than %d elements", maxElements)
			}
			if x.Name.Space == signatures {
				if err := d.Skip(); err != nil {
					return nil, fault("alert.Signature", "send well-formed XML", "%v", err)
				}
				continue
			}
			n := &node{name: x.Name.Local, path: x.Name.Local}
			if len(open) > 0 {
				up := open[len(open)-1]
				n.path = up.path + "." + n.name
				if numbered[n.name] {
					n.path = fmt.Sprintf("%s[%d]", n.path, len(up.all(n.name)))
				}
				up.kids = append(up.kids, n)
			} else if root != nil || x.Name.Local != "alert" {
				return nil, fault(cut(x.Name.Local), "send one alert", "the outermost element must be alert")
			} else {
				root = n
			}
			if x.Name.Space != Namespace {
				return nil, fault(n.path, "use "+Namespace, "its namespace is %q", cut(x.Name.Space))
			}
			if len(open) > 5 {
				return nil, fault(n.path, "follow the schema of CAP 1.2", "stands too deep")
			}
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(x)
			}
		}
	}
	if root == nil {
		return nil, fault("alert", "send one alert", "there is none")
	}
	return root, nil
}

var numbered = map[string]bool{"info": true, "area": true, "polygon": true, "circle": true, "category": true, "responseType": true, "resource": true,
	"parameter": true, "eventCode": true, "geocode": true, "code": true}

func (n *node) all(name string) (out []*node) {
	for _, k := range n.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// reader takes an element's children by name; what nobody took is a fault.
type reader struct {
	checker
	n     *node
	taken map[string]bool
}

func (c *checker) read(n *node) *reader { return &reader{n: n, taken: map[string]bool{}} }

func (r *reader) str(name string) string {
	r.taken[name] = true
	list := r.n.all(name)
	switch {
	case len(list) == 0:
		return ""
	case len(list) > 1:
		r.fault(r.n.path+"."+name, "give it once", "stands %d times", len(list))
	case len(list[0].kids) > 0:
		r.fault(list[0].path, "give text", "holds elements")
	}
	return strings.TrimSpace(list[0].text)
}

func (r *reader) strs(name string) (out []string) {
	r.taken[name] = true
	for _, k := range r.n.all(name) {
		out = append(out, strings.TrimSpace(k.text))
	}
	return out
}

func (r *reader) time(name string) Time {
	v := r.str(name)
	if v == "" {
		return 0
	}
	t, err := parseTime(v)
	if err != nil {
		r.fault(r.n.path+"."+name, "give the time with its zone, as 2026-11-30T08:00:00+07:00", "%q is no such time", cut(v))
	}
	return t
}

func (r *reader) values(name string) (out []Value) {
	r.taken[name] = true
	for _, k := range r.n.all(name) {
		x := r.read(k)
		out = append(out, Value{x.str("valueName"), x.str("value")})
		r.done(x)
	}
	return out
}

// done refuses what x did not take, and takes its fault over.
func (r *reader) done(x *reader) {
	for _, k := range x.n.kids {
		if !x.taken[k.name] {
			x.fault(k.path, "leave it out", "is no element of CAP 1.2 here")
		}
	}
	if r.err == nil {
		r.err = x.err
	}
}

// Parse reads a message and checks it; an error is a *Fault.
func Parse(raw []byte) (*Alert, error) {
	root, err := tree(raw)
	if err != nil {
		return nil, err
	}
	var top reader
	r := top.read(root)
	a := &Alert{Identifier: r.str("identifier"), Sender: r.str("sender"), Sent: r.time("sent"), Status: r.str("status"), MsgType: r.str("msgType"), Source: r.str("source"),
		Scope: r.str("scope"), Restriction: r.str("restriction"), Addresses: r.str("addresses"), Codes: r.strs("code"), Note: r.str("note"), Incidents: r.str("incidents")}
	for _, f := range strings.Fields(r.str("references")) {
		ref, err := parseReference(f)
		if err != nil {
			r.fault(root.path+".references", "write each as sender,identifier,sent", "%q is no such reference", cut(f))
		}
		a.References = append(a.References, ref)
	}
	r.taken["info"] = true
	for _, k := range root.all("info") {
		a.Infos = append(a.Infos, r.info(k))
	}
	top.done(r)
	if top.err != nil {
		return nil, top.err
	}
	return a, a.Check()
}

func (r *reader) info(n *node) Info {
	x := r.read(n)
	in := Info{Language: x.str("language"), Categories: x.strs("category"), Event: x.str("event"), ResponseTypes: x.strs("responseType"), Urgency: x.str("urgency"),
		Severity: x.str("severity"), Certainty: x.str("certainty"), Audience: x.str("audience"), EventCodes: x.values("eventCode"), Effective: x.time("effective"),
		Onset: x.time("onset"), Expires: x.time("expires"), SenderName: x.str("senderName"), Headline: x.str("headline"), Description: x.str("description"),
		Instruction: x.str("instruction"), Web: x.str("web"), Contact: x.str("contact"), Parameters: x.values("parameter")}
	if in.Language == "" {
		in.Language = "en-US" // 3.2.2: what a missing one means
	}
	x.taken["resource"], x.taken["area"] = true, true
	for _, k := range n.all("resource") {
		y := x.read(k)
		v := Resource{Desc: y.str("resourceDesc"), Type: y.str("mimeType"), URI: y.str("uri"), Digest: y.str("digest")}
		if t := y.str("size"); t != "" {
			if _, err := fmt.Sscan(t, &v.Bytes); err != nil {
				y.fault(k.path+".size", "give bytes", "%q is no number", cut(t))
			}
		}
		if y.str("derefUri") != "" {
			y.fault(k.path+".derefUri", "give its address as uri", "contents inside a message are not taken")
		}
		x.done(y)
		in.Resources = append(in.Resources, v)
	}
	for _, k := range n.all("area") {
		in.Areas = append(in.Areas, x.area(k))
	}
	r.done(x)
	return in
}

func (r *reader) area(n *node) Area {
	x := r.read(n)
	a := Area{Desc: x.str("areaDesc"), Geocodes: x.values("geocode"), Altitude: x.str("altitude"), Ceiling: x.str("ceiling")}
	x.taken["polygon"], x.taken["circle"] = true, true
	for _, k := range n.all("polygon") {
		p, err := parsePolygon(k.text)
		if err != nil {
			x.fault(k.path, "write latitude,longitude pairs with spaces between, latitude first", "%v", err)
		}
		a.Polygons = append(a.Polygons, p)
	}
	for _, k := range n.all("circle") {
		f := strings.Fields(k.text)
		if len(f) != 2 {
			x.fault(k.path, "write latitude,longitude and the radius in kilometres", "%q is no circle", cut(k.text))
			continue
		}
		at, err := parsePair(f[0])
		if err != nil {
			x.fault(k.path, "write latitude,longitude and the radius in kilometres", "%v", err)
		}
		a.Circles = append(a.Circles, Circle{at, f[1]})
	}
	r.done(x)
	return a
}
