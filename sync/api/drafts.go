package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"wardline/sync/cap"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/routing"
)

// draft is a warning as a desk fills it in.
type draft struct {
	ID        string            `json:"id"`
	MsgType   string            `json:"msg_type"`
	Status    string            `json:"status"`
	Target    string            `json:"target"`
	Wards     []record.WardCode `json:"wards"`
	Polygon   cap.Polygon       `json:"polygon"`
	AreaDesc  string            `json:"area_desc"`
	Category  string            `json:"category"`
	Response  string            `json:"response"`
	Urgency   string            `json:"urgency"`
	Severity  string            `json:"severity"`
	Certainty string            `json:"certainty"`
	Expires   Time              `json:"expires"`
	Note      string            `json:"note"`
	// Exercise is the running exercise of which the warning is a part.
	Exercise string `json:"exercise"`
	Texts    []struct {
		Language    string `json:"language"`
		Event       string `json:"event"`
		Headline    string `json:"headline"`
		Description string `json:"description"`
		Instruction string `json:"instruction"`
	} `json:"texts"`
}

// postAlert takes a warning of a desk (JSON) or of another system (CAP 1.2).
func (s *Server) postAlert(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	b, err := s.broadcasts()
	if err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var a *cap.Alert
	var wards []record.WardCode
	switch {
	case err == nil && kind == capType:
		raw, e := io.ReadAll(io.LimitReader(r.Body, cap.MaxXML+1))
		if e != nil {
			return Problem(400, "not-read", "", "the request broke off")
		}
		if len(raw) > cap.MaxXML {
			return Problem(413, "too-large", "", "at most %d bytes", cap.MaxXML)
		}
		if a, err = cap.Parse(raw); err != nil {
			return capProblem(err)
		}
	case err == nil && kind == "application/json", r.Header.Get("Content-Type") == "":
		var d draft
		if err := readJSON(r, &d); err != nil {
			return err
		}
		if a, wards, err = s.drawUp(r.Context(), b, o, &d); err != nil {
			return err
		}
	default:
		return Problem(415, "media-type", "Content-Type", "send application/cap+xml, or application/json")
	}
	body, err := s.addressed(r.Context(), b, a, wards)
	if err != nil {
		return err
	}
	if !o.SeesAll() && slices.ContainsFunc(body.Payload.Told, func(u record.UnitID) bool { return u != o.Unit }) {
		return Problem(403, "other-ward", "wards", "a ward's officer warns the own ward alone; ask the command centre")
	}
	status := 201
	if _, known, err := b.Broadcast(r.Context(), body.ID); err != nil {
		return err
	} else if known {
		status = 200
	} else if err := b.Send(r.Context(), o, body); err != nil {
		return err
	}
	x, _, err := b.Broadcast(r.Context(), body.ID)
	if err != nil {
		return err
	}
	return s.answer(w, status, alertOf(&x, cap.States([]cap.Held{x.Held}, s.Now().UnixMilli())[x.ID]))
}

func capProblem(err error) error {
	var f *cap.Fault
	if !errors.As(err, &f) {
		return err
	}
	return Problem(400, "invalid-alert", f.Element, "%s (%s)", f.Wrong, f.Do)
}

// addressed says for which wards a message is and what it is about, and makes its entry.
func (s *Server) addressed(ctx context.Context, b Broadcasts, a *cap.Alert, wards []record.WardCode) (body record.Body, err error) {
	bad := func(element, wrong, do string) (record.Body, error) {
		return body, capProblem(&cap.Fault{Element: element, Wrong: wrong, Do: do})
	}
	switch {
	case a.MsgType != cap.MsgAlert && a.MsgType != cap.MsgUpdate && a.MsgType != cap.MsgCancel:
		return bad("alert.msgType", a.MsgType+" warns nobody", "send Alert, Update or Cancel")
	case a.Status != cap.Actual && a.Status != cap.Exercise && a.Status != cap.Test:
		return bad("alert.status", a.Status+" is not taken", "send Actual, Exercise or Test")
	case a.Scope != cap.Public:
		return bad("alert.scope", "it is not for the public", "send Public")
	case len(a.Infos) == 0:
		return bad("alert.info", "says nothing", "give at least one")
	}
	now := s.Now()
	for i := range a.Infos {
		at := fmt.Sprintf("alert.info[%d].expires", i)
		switch e := int64(a.Infos[i].Expires); {
		case e == 0:
			return bad(at, "is missing", "say until when it holds")
		case e <= now.UnixMilli():
			return bad(at, "lies in the past", "give a later time")
		case e > now.Add(maxAhead).UnixMilli():
			return bad(at, "is more than a month ahead", "give an earlier time, and update it then")
		}
	}
	var target record.ID
	var status string
	for _, ref := range a.References {
		if old, known, err := b.Broadcast(ctx, ref.ID()); err != nil {
			return body, err
		} else if known {
			target, status = ref.ID(), old.Alert.Status
		}
	}
	if !target.Zero() && a.Status != status { // practice must not take a real warning down
		return bad("alert.status", a.Status+", but the message that it is about is "+status, "give both the same status")
	}
	if a.MsgType != cap.MsgAlert && target.Zero() {
		return bad("alert.references", "names no message that is known here", "send that one first")
	}
	if wards == nil {
		wards = s.wardsOf(a)
	}
	if len(wards) == 0 {
		return bad("alert.info[0].area[0]", "touches no ward of this city", "give a polygon, a circle or a geocode "+cap.WardCode+" here")
	}
	return a.Body(wards, target)
}

// wardsOf are the wards that a message's areas name or touch.
func (s *Server) wardsOf(a *cap.Alert) (out []record.WardCode) {
	set := s.wardSet()
	add := func(w record.WardCode) {
		if _, ok := set.Find(w); ok && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	for _, in := range a.Infos {
		for _, x := range in.Areas {
			for _, g := range x.Geocodes {
				if g.Name == cap.WardCode {
					add(record.WardCode(g.Value))
				}
			}
			for _, p := range x.Polygons {
				for _, w := range set.Touching(routing.Ring(p)) {
					add(w)
				}
			}
			for _, c := range x.Circles {
				for _, w := range set.Touching(routing.Ring(c.Outline())) {
					add(w)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// wardSet are the wards in effect, else the built-in centres.
func (s *Server) wardSet() *routing.Wards {
	if w := s.Backend.Wards(); w != nil {
		return w
	}
	return routing.Centres()
}

// drawUp makes the message of what a desk filled in.
func (s *Server) drawUp(ctx context.Context, b Broadcasts, o identity.Officer, d *draft) (*cap.Alert, []record.WardCode, error) {
	id, err := record.ParseID(d.ID)
	if err != nil {
		return nil, nil, Problem(400, "invalid-id", "id", "%v", err)
	}
	if old, known, err := b.Broadcast(ctx, id); err != nil || known {
		return &old.Alert, old.Wards, err // the same again
	}
	set := s.wardSet()
	var wards []record.WardCode
	if len(d.Polygon) > 0 {
		wards = set.Touching(routing.Ring(d.Polygon))
	}
	for _, w := range d.Wards {
		if _, ok := set.Find(w); !ok {
			return nil, nil, Problem(400, "invalid-ward", "wards", "there is no ward %.20q", string(w))
		}
		if !slices.Contains(wards, w) {
			wards = append(wards, w)
		}
	}
	slices.Sort(wards)
	if len(wards) == 0 {
		return nil, nil, Problem(400, "missing", "wards", "choose at least one ward, or draw an area that touches one")
	}
	a := &cap.Alert{Identifier: id.String(), Sender: "wardline-" + strings.ReplaceAll(string(o.Unit), "/", "-"), Sent: cap.Time(s.Now().Unix() * 1000),
		Status: d.Status, MsgType: d.MsgType, Scope: cap.Public, Note: d.Note}
	if err := s.practise(ctx, a, wards, d.Exercise); err != nil {
		return nil, nil, err
	}
	if d.Target != "" {
		t, err := record.ParseID(d.Target)
		if err != nil {
			return nil, nil, Problem(400, "invalid-id", "target", "%v", err)
		}
		old, known, err := b.Broadcast(ctx, t)
		if err != nil {
			return nil, nil, err
		}
		if !known {
			return nil, nil, Problem(404, "not-found", "target", "there is no warning %s", t)
		}
		a.References = append(a.References, old.Alert.Self())
		if a.Note == "" && old.Alert.Status == cap.Exercise {
			a.Note = old.Alert.Note // of the same exercise
		}
	}
	if len(d.Texts) == 0 {
		return nil, nil, Problem(400, "missing", "texts", "write at least what happened, in Vietnamese")
	}
	area := areaOf(set, wards, d)
	for _, t := range d.Texts {
		in := cap.Info{Language: t.Language, Categories: []string{d.Category}, Event: t.Event, Urgency: d.Urgency, Severity: d.Severity, Certainty: d.Certainty,
			Effective: a.Sent, Expires: cap.Time(int64(d.Expires) / 1000 * 1000), SenderName: unitName(o.Unit), Headline: practiceHeadline(a.Status, t.Language, t.Headline), Description: t.Description, Instruction: t.Instruction, Areas: []cap.Area{area}}
		if d.Response != "" {
			in.ResponseTypes = []string{d.Response}
		}
		a.Infos = append(a.Infos, in)
	}
	return a, wards, capProblem(a.Check())
}

// practise makes a warning a part of an exercise: only while that runs, only where it is
// held, and only as what it is. CAP 1.2, 3.2.1, wants the exercise named in the note.
func (s *Server) practise(ctx context.Context, a *cap.Alert, wards []record.WardCode, exercise string) error {
	if exercise == "" {
		return nil
	}
	id, err := record.ParseID(exercise)
	if err != nil {
		return Problem(400, "invalid-id", "exercise", "%v", err)
	}
	all, err := s.exercises(ctx)
	if err != nil {
		return err
	}
	x, known := all[id]
	switch now := s.Now().UnixMilli(); {
	case a.Status != cap.Exercise:
		return Problem(400, "invalid-value", "status", "a warning of an exercise has the status Exercise")
	case !known || !x.Runs(now):
		return Problem(409, "no-exercise", "exercise", "no such exercise runs now; without one send a warning that is real")
	}
	for _, w := range wards {
		if !x.In(w) {
			return Problem(409, "other-ward", "wards", "the exercise %s is not held in ward %s", x.Name, w)
		}
	}
	a.Note = strings.TrimSuffix(fmt.Sprintf("%s (%s)\n%s", x.Name, x.ID, a.Note), "\n")
	return nil
}

// practiceHeadline marks the headline of what is not real, for whoever reads nothing else of it.
func practiceHeadline(status, language, headline string) string {
	mark := "EXERCISE – "
	if strings.HasPrefix(language, "vi") || language == "" {
		mark = "DIỄN TẬP – "
	}
	if status == cap.Actual || headline == "" || strings.HasPrefix(headline, mark) {
		return headline
	}
	return mark + headline
}

func unitName(u record.UnitID) string {
	for _, x := range AllUnits() {
		if x.ID == u {
			return x.Name
		}
	}
	return string(u)
}

// areaOf is the wards by name and code, and the line that was drawn.
func areaOf(set *routing.Wards, wards []record.WardCode, d *draft) cap.Area {
	a := cap.Area{Desc: d.AreaDesc}
	var names []string
	for _, w := range wards {
		v, _ := set.Find(w)
		names = append(names, v.Name)
		a.Geocodes = append(a.Geocodes, cap.Value{Name: cap.WardCode, Value: string(w)})
	}
	if a.Desc == "" {
		a.Desc = strings.Join(names, ", ")
	}
	if p := d.Polygon; len(p) > 0 {
		if p[0] != p[len(p)-1] {
			p = append(slices.Clone(p), p[0])
		}
		a.Polygons = []cap.Polygon{p}
	}
	return a
}
