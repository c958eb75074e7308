package cap

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The closed lists of CAP 1.2, section 3.2.
var (
	statuses      = []string{Actual, Exercise, "System", Test, "Draft"}
	msgTypes      = []string{MsgAlert, MsgUpdate, MsgCancel, "Ack", "Error"}
	scopes        = []string{Public, "Restricted", "Private"}
	categories    = []string{"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"}
	responseTypes = []string{"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"}
	urgencies     = []string{"Immediate", "Expected", "Future", "Past", "Unknown"}
	severities    = []string{"Extreme", "Severe", "Moderate", "Minor", "Unknown"}
	certainties   = []string{"Observed", "Likely", "Possible", "Unlikely", "Unknown"}
)

// checker keeps the first fault.
type checker struct{ err error }

func (c *checker) fault(element, do, wrong string, a ...any) {
	if c.err == nil {
		c.err = fault(element, do, wrong, a...)
	}
}

func (c *checker) one(element, v string, list []string) {
	if !slices.Contains(list, v) {
		c.fault(element, "use one of "+strings.Join(list, ", "), "%q is not in the list", cut(v))
	}
}

func (c *checker) text(element, v string, limit int, must bool) {
	switch {
	case must && v == "":
		c.fault(element, "say it", "is missing or empty")
	case len(v) > limit:
		c.fault(element, "shorten it", "%d bytes, at most %d", len(v), limit)
	case !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }):
		c.fault(element, "send text in UTF-8", "holds bytes that are no text")
	}
}

// name is a sender or an identifier: no spaces, commas, < or & (3.2.1).
func (c *checker) name(element, v string) {
	c.text(element, v, maxLine, true)
	if strings.ContainsAny(v, " \t\r\n,<&") {
		c.fault(element, "leave them out", "holds a space, a comma, < or &")
	}
}

func (c *checker) count(element string, n, least, most int) {
	if n < least || n > most {
		c.fault(element, fmt.Sprintf("give %d to %d", least, most), "stands %d times", n)
	}
}

func (c *checker) values(element string, list []Value) {
	c.count(element, len(list), 0, maxAreas)
	for i, v := range list {
		c.text(fmt.Sprintf("%s[%d].valueName", element, i), v.Name, maxLine, true)
		c.text(fmt.Sprintf("%s[%d].value", element, i), v.Value, maxText, true)
	}
}

// Check says the first thing that is wrong with a message, a *Fault, or nil.
func (a *Alert) Check() error {
	c := &checker{}
	c.name("alert.identifier", a.Identifier)
	c.name("alert.sender", a.Sender)
	if a.Sent <= 0 {
		c.fault("alert.sent", "give the time with its zone, as 2026-11-30T08:00:00+07:00", "is missing")
	}
	c.one("alert.status", a.Status, statuses)
	c.one("alert.msgType", a.MsgType, msgTypes)
	c.one("alert.scope", a.Scope, scopes)
	c.text("alert.source", a.Source, maxLine, false)
	c.text("alert.restriction", a.Restriction, maxLine, a.Scope == "Restricted")
	c.text("alert.addresses", a.Addresses, maxText, a.Scope == "Private")
	c.text("alert.note", a.Note, maxText, false)
	c.text("alert.incidents", a.Incidents, maxText, false)
	c.count("alert.code", len(a.Codes), 0, maxList)
	for i, v := range a.Codes {
		c.text(fmt.Sprintf("alert.code[%d]", i), v, maxLine, true)
	}
	c.count("alert.references", len(a.References), 0, maxList)
	if a.MsgType != MsgAlert && len(a.References) == 0 {
		c.fault("alert.references", "name the message as sender,identifier,sent", "an %s says which message it is about", a.MsgType)
	}
	for _, r := range a.References {
		c.name("alert.references", r.Identifier)
		c.name("alert.references", r.Sender)
	}
	c.count("alert.info", len(a.Infos), 0, maxInfos)
	points := 0
	for i := range a.Infos {
		points += c.info(fmt.Sprintf("alert.info[%d]", i), &a.Infos[i])
	}
	if points > maxPoints {
		c.fault("alert.info", "simplify the outlines", "its polygons have %d points, at most %d", points, maxPoints)
	}
	return c.err
}

func (c *checker) info(at string, in *Info) (points int) {
	c.text(at+".language", in.Language, 20, false)
	c.count(at+".category", len(in.Categories), 1, len(categories))
	for i, v := range in.Categories {
		c.one(fmt.Sprintf("%s.category[%d]", at, i), v, categories)
	}
	c.text(at+".event", in.Event, maxLine, true)
	c.count(at+".responseType", len(in.ResponseTypes), 0, len(responseTypes))
	for i, v := range in.ResponseTypes {
		c.one(fmt.Sprintf("%s.responseType[%d]", at, i), v, responseTypes)
	}
	c.one(at+".urgency", in.Urgency, urgencies)
	c.one(at+".severity", in.Severity, severities)
	c.one(at+".certainty", in.Certainty, certainties)
	c.text(at+".audience", in.Audience, maxLine, false)
	c.values(at+".eventCode", in.EventCodes)
	c.text(at+".senderName", in.SenderName, maxLine, false)
	c.text(at+".headline", in.Headline, maxLine, false)
	c.text(at+".description", in.Description, maxText, false)
	c.text(at+".instruction", in.Instruction, maxText, false)
	c.text(at+".web", in.Web, maxLine, false)
	c.text(at+".contact", in.Contact, maxLine, false)
	c.values(at+".parameter", in.Parameters)
	c.count(at+".resource", len(in.Resources), 0, maxList)
	for i, r := range in.Resources {
		c.text(fmt.Sprintf("%s.resource[%d].resourceDesc", at, i), r.Desc, maxLine, true)
		c.text(fmt.Sprintf("%s.resource[%d].mimeType", at, i), r.Type, maxLine, true)
		c.text(fmt.Sprintf("%s.resource[%d].uri", at, i), r.URI, maxLine, false)
		c.text(fmt.Sprintf("%s.resource[%d].digest", at, i), r.Digest, maxLine, false)
	}
	c.count(at+".area", len(in.Areas), 0, maxAreas)
	for i := range in.Areas {
		points += c.area(fmt.Sprintf("%s.area[%d]", at, i), &in.Areas[i])
	}
	return points
}

func (c *checker) area(at string, a *Area) (points int) {
	c.text(at+".areaDesc", a.Desc, maxText, true)
	c.count(at+".polygon", len(a.Polygons), 0, maxList)
	for i, p := range a.Polygons {
		points += len(p)
		if len(p) < 4 || p[0] != p[len(p)-1] {
			c.fault(fmt.Sprintf("%s.polygon[%d]", at, i), "give at least four points, the last the same as the first", "is no closed line")
		}
	}
	c.count(at+".circle", len(a.Circles), 0, maxList)
	for i, x := range a.Circles {
		if r, err := strconv.ParseFloat(x.Radius, 64); err != nil || r < 0 || r > 20_040 {
			c.fault(fmt.Sprintf("%s.circle[%d]", at, i), "give it in kilometres", "the radius %q is none", cut(x.Radius))
		}
	}
	c.values(at+".geocode", a.Geocodes)
	for name, v := range map[string]string{"altitude": a.Altitude, "ceiling": a.Ceiling} {
		if _, err := strconv.ParseFloat(v, 64); v != "" && err != nil {
			c.fault(at+"."+name, "give feet above sea level", "%q is no number", cut(v))
		}
	}
	return points
}

// cut shortens what an error repeats.
func cut(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}
