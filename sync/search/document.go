package search

import (
	"encoding/json"
	"slices"

	"wardline/sync/record"
	"wardline/sync/routing"
)

// Entry is an entry of an incident where this node holds it.
type Entry struct {
	Position uint64
	Body     record.Body
}

// Opener decrypts the sealed part of the entry at a position; record.ErrSealed where
// its key is gone.
type Opener func(at uint64, s *record.Sealed) ([]byte, error)

// Field is a text of an incident by which it is found.
type Field struct {
	// Name is one of summary, text, place, note, category, unit, officer, patrol, device.
	Name string
	Text string
}

// Limits of what is taken in of one incident.
const (
	// maxFields bounds its texts: of more the earliest are taken.
	maxFields = 500
	// maxTerms bounds its rows, so that one incident fits into one transaction.
	maxTerms = 4000
)

// spoken is a category as people say and type it, in both languages of the screens.
var spoken = map[record.Category]string{
	record.Security: "An ninh trật tự · Security", record.Crime: "Hình sự · Tội phạm · Crime", record.TrafficAccident: "Tai nạn giao thông · Traffic accident",
	record.Fire: "Cháy nổ · Hỏa hoạn · Fire", record.Emergency: "Khẩn cấp · Emergency", record.Medical: "Y tế · Cấp cứu · Medical",
	record.Panic: "Nút khẩn cấp · Kêu cứu · Panic button", record.Feedback: "Phản ánh · Feedback",
}

// Fields are the texts of an incident as an officer who sees it reads them: of what
// was redacted, withdrawn, erased or cannot be opened any more there is none. Who reported
// is none of them: that is opened one by one, with an entry.
func Fields(in *record.Incident, entries []Entry, open Opener) []Field {
	var out []Field
	add := func(name, text string) {
		if text != "" && len(out) < maxFields {
			out = append(out, Field{name, text})
		}
	}
	hidden := map[record.ID]bool{}
	for _, id := range in.Withdrawn {
		hidden[id] = true
	}
	for i := range entries {
		if b := &entries[i].Body; b.Kind == record.KindRedact && !slices.Contains(in.Withdrawn, b.ID) {
			hidden[b.Payload.Target] = true
		}
	}
	shown := map[record.ID]bool{} // summaries that stand, with those beside them
	if in.Summary != nil {
		shown[*in.Summary] = true
	}
	for _, c := range in.Conflicts {
		if c.Field == "summary" {
			for _, v := range c.Others {
				shown[v.By.Entry] = true
			}
		}
	}
	for i := range entries {
		b := &entries[i].Body
		if hidden[b.ID] {
			continue
		}
		if b.Kind == record.KindDispatch || b.Kind == record.KindArrive {
			add("patrol", b.Payload.Patrol)
		}
		if s := b.Payload.Signal; s != nil {
			add("device", s.Account+" "+s.Code+" "+s.Zone)
		}
		if b.Payload.Sealed == nil || in.Erased.Covers(b) {
			continue
		}
		plain, err := open(entries[i].Position, b.Payload.Sealed)
		if err != nil {
			continue // its key is gone or never came: nothing to find it by
		}
		var t struct {
			Text      string `json:"text"`
			Summary   string `json:"summary"`
			PlaceText string `json:"place_text"`
		}
		if json.Unmarshal(plain, &t) != nil {
			continue // of another form than ours; an account's verifier has none of these
		}
		if b.Kind == record.KindReport {
			add("text", t.Text)
			add("place", t.PlaceText)
			continue
		}
		add("note", t.Text)
		if shown[b.ID] {
			add("summary", t.Summary)
		}
	}
	add("category", spoken[in.Category])
	units := []record.UnitID{}
	if in.Lead != "" {
		units = append(units, in.Lead)
	}
	for _, u := range in.Units {
		if u.Unit != record.Command && u.Unit != in.Lead {
			units = append(units, u.Unit)
		}
		if u.Holder != nil {
			add("officer", u.Holder.Officer)
		}
	}
	for _, u := range units {
		name := string(u)
		if w, ok := u.Ward(); ok {
			if x, known := routing.Centres().Find(w); known {
				name = string(w) + " " + x.Name
			}
		}
		add("unit", name)
	}
	if a := in.Report(); a != nil {
		add("device", a.By.Name)
	}
	return out
}

// terms are the rows in which an incident stands, without repetition, sorted.
func terms(in *record.Incident, fields []Field) []string {
	have := map[string]bool{}
	add := func(t string) {
		if len(have) < maxTerms {
			have[t] = true
		}
	}
	add(string(kindStatus) + in.Status)
	if in.Open() {
		add(string(kindOpen) + "1")
	}
	if in.Category != "" {
		add(string(kindCategory) + string(in.Category))
	}
	if in.Priority != 0 {
		add(string(kindPriority) + in.Priority.String())
	}
	if in.Lead != "" {
		add(string(kindUnit) + string(in.Lead))
	}
	for _, u := range in.Units {
		add(string(kindUnit) + string(u.Unit))
	}
	for _, f := range fields {
		before := ""
		tokens(f.Text, func(t token) bool {
			add(string(kindWord) + t.folded)
			if t.exact != t.folded {
				add(bucketed(kindExact, t.exact))
			}
			if before != "" {
				add(bucketed(kindPair, before, t.folded))
			}
			before = t.folded
			return len(have) < maxTerms
		})
	}
	out := make([]string, 0, len(have))
	for t := range have {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}
