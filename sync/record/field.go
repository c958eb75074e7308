package record

import (
	"fmt"
	"slices"

	"wardline/sync/planted"
)

// field is a multi-value register: what no later author has seen stands.
type field struct {
	name  string
	value func(b *Body) string
	// initial values give way to any officer's edit.
	initial func(b *Body) bool
}

func byMachine(b *Body) bool { return b.Actor.Kind != ByOfficer }

// fieldList is the fields whose values can conflict.
var fieldList = []field{
	{"category", func(b *Body) string {
		if b.Kind == KindReport || b.Kind == KindClassify {
			return string(b.Payload.Category)
		}
		return ""
	}, byMachine},
	{"priority", func(b *Body) string {
		if (b.Kind == KindRouted || b.Kind == KindClassify) && b.Payload.Priority != 0 {
			return b.Payload.Priority.String()
		}
		return ""
	}, byMachine},
	{"place", func(b *Body) string {
		if p := b.Payload.Place; p != nil && (b.Kind == KindReport || b.Kind == KindClassify) {
			return fmt.Sprintf("%s,%s ±%dcm", degrees(p.LatE7), degrees(p.LonE7), p.AccuracyCM)
		}
		return ""
	}, byMachine},
	{"summary", func(b *Body) string {
		if b.Kind == KindClassify && b.Payload.Flags&FlagSummary != 0 {
			return b.ID.String()
		}
		return ""
	}, byMachine},
}

func degrees(e7 int32) string {
	sign, v := "", int64(e7)
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%07d", sign, v/1e7, v%1e7)
}

func (f *folder) fields() {
	for _, fd := range fieldList {
		live, win := f.register(fd)
		if win == nil {
			continue
		}
		f.setField(fd.name, win)
		shown := fd.value(win)
		c := Conflict{Field: fd.name, Shown: Value{shown, author(win)}}
		for _, b := range live {
			if v := fd.value(b); v != shown {
				c.Others = append(c.Others, Value{v, author(b)})
			}
		}
		if len(c.Others) > 0 {
			f.in.Conflicts = append(f.in.Conflicts, c)
		}
	}
}

// register gives the values that stand, and the one that is shown.
func (f *folder) register(fd field) (live []*Body, win *Body) {
	edited := false
	var cand []int
	f.each(func(i int, b *Body) {
		if b.Kind == KindReport && len(f.in.Reports) > 0 && b.Payload.Fingerprint != f.in.Reports[0].Fingerprint {
			return
		}
		if fd.value(b) == "" {
			return
		}
		cand = append(cand, i)
		edited = edited || !fd.initial(b)
	})
	for _, i := range cand {
		b := &f.s.bodies[i]
		if edited && fd.initial(b) {
			continue
		}
		seen := slices.ContainsFunc(cand, func(j int) bool { return j != i && f.s.saw(j, i) })
		if seen {
			continue
		}
		live = append(live, b)
		switch {
		case win == nil:
			win = b
		case b.Kind == KindRouted && win.Kind == KindRouted:
			if routeBeats(b, win) {
				win = b
			}
		case planted.FoldArrival || beats(b, win):
			win = b
		}
	}
	if !edited && len(live) > 1 { // machines' values do not conflict: the report and its routing stand
		live = []*Body{win}
	}
	return live, win
}

func (f *folder) setField(name string, b *Body) {
	switch name {
	case "category":
		f.in.Category = b.Payload.Category
	case "priority":
		f.in.Priority = b.Payload.Priority
	case "place":
		f.in.Place = b.Payload.Place
	case "summary":
		id := b.ID
		f.in.Summary = &id
	}
}
