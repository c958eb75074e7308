package whole

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// entry is a line of the city's log.
type entry struct {
	Index                               uint64
	ID, Origin, Incarnation, Lane, Kind string
	Hash, Prev                          string
	Seq                                 uint64
	Report, Incident                    *string
}

// entries reads the city's whole log at one node.
func entries(ctx context.Context, c *client) (all []entry, err error) {
	for after := ""; ; {
		var p struct {
			Items []entry
			Next  *uint64
		}
		if _, err := c.ask(ctx, "GET", "/api/v1/entries?limit=1000"+after, nil, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Items...)
		if p.Next == nil {
			return all, nil
		}
		after = fmt.Sprintf("&after=%d", *p.Next)
	}
}

// held is what the city has.
type held struct {
	// known are reports and entries, whoever brought them; lines those reports that
	// came over the station's line.
	known, lines map[string]bool
}

// heldNow reads what the city has, until it answers.
func (w *town) heldNow(ctx context.Context) (held, error) {
	ctx = context.WithoutCancel(ctx) // the run's end must not fall into the swap of a disk
	c := w.officer(w.file.Command.URL, "auditor")
	for end := time.Now().Add(time.Minute); ; {
		all, err := entries(ctx, c)
		if err == nil {
			h := held{map[string]bool{}, map[string]bool{}}
			for _, e := range all {
				h.known[e.ID] = true
				if e.Report == nil {
					continue
				}
				// A station's routing names a report that may be in another lane, still under way.
				if e.Kind == "report" {
					h.known[*e.Report] = true
				}
				if e.Origin == station {
					h.lines[*e.Report] = true
				}
			}
			return h, nil
		}
		if time.Now().After(end) || !pause(ctx, 200*time.Millisecond) {
			return held{}, err
		}
	}
}

// judge proves the promise. Its checks read public interfaces alone.
type judge struct {
	w      *town
	b      *book
	tally  *Tally
	finger *finger
	// swapped: a disk was put back; rolledBack: and the city held more.
	swapped, rolledBack bool
	cloned              bool // two stations of one name were at work
	all                 []entry
	desk                map[string]*client // by base address: an officer who sees everything there
}

func newJudge(w *town, b *book, t *Tally, f *finger, m *master) *judge {
	st, cmd := w.file.Station[0].URL, w.file.Command.URL
	return &judge{w: w, b: b, tally: t, finger: f, swapped: m.swapped, rolledBack: m.rolledBack, cloned: m.twin != nil,
		desk: map[string]*client{st: w.officer(st, "ward_officer"), cmd: w.officer(cmd, "command_officer")}}
}

// safety is what must hold at every moment: an error will not go away.
func (j *judge) safety() error {
	for _, f := range []func() error{j.once, j.chains, j.released} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// once: no report and no officer's entry stands twice in the city's order.
func (j *judge) once() error {
	reports, ids := map[string]int{}, map[string]int{}
	for _, e := range j.all {
		if e.Kind == "repeat" {
			continue
		}
		if ids[e.ID]++; ids[e.ID] > 1 {
			return fmt.Errorf("once: entry %s (%s) is listed %d times", e.ID, e.Kind, ids[e.ID])
		}
		if e.Kind != "report" || e.Report == nil {
			continue
		}
		if reports[*e.Report]++; reports[*e.Report] > 1 {
			return fmt.Errorf("once: report %s is listed %d times", *e.Report, reports[*e.Report])
		}
	}
	return nil
}

// releaseGrace is how long the city leaves a claim alone at least, by its own time.
const releaseGrace = 5 * time.Minute

// released: the officers of the drill release nothing, so the city did, and a city whose
// time did not jump has no reason to within the grace of a claim.
func (j *judge) released() error {
	j.tally.Released = 0
	for _, e := range j.all {
		if e.Kind != "release" {
			continue
		}
		if j.tally.Released++; j.tally.Jumps == 0 && time.Since(j.w.began) < releaseGrace {
			return fmt.Errorf("released: entry %s takes incident %s from who claimed it, and no clock jumped", e.ID, *e.Incident)
		}
	}
	return nil
}

// chains: no seq of an origin's lane is missing or twice, each entry names the
// hash of the one before it, and the city's order has no hole.
func (j *judge) chains() error {
	type head struct {
		seq  uint64
		hash string
	}
	heads := map[string]head{}
	for i, e := range j.all {
		k := e.Origin + " " + e.Incarnation + " " + e.Lane
		h := heads[k]
		if e.Seq != h.seq+1 || (e.Seq > 1 && e.Prev != h.hash) {
			return fmt.Errorf("chains: %s is broken at %d, after %d", k, e.Seq, h.seq)
		}
		if e.Index != uint64(i)+1 {
			return fmt.Errorf("chains: the city's order has a hole at %d", i+1)
		}
		heads[k] = head{e.Seq, e.Hash}
	}
	return nil
}

// listed: everything that was acknowledged is in the city's log.
func (j *judge) listed() error {
	reports, ids := map[string]bool{}, map[string]bool{}
	strangers := map[string]bool{}
	for _, e := range j.all {
		if e.Kind == "repeat" {
			continue
		}
		if ids[e.ID] = true; e.Kind == "report" && e.Report != nil {
			if reports[*e.Report] = true; !j.b.made[*e.Report] {
				strangers[*e.Report] = true
			}
		}
	}
	lacking, presses, maybe := []string{}, 0, 0
	for _, a := range j.b.all() {
		switch {
		case a.What == "press" && a.gone:
			maybe++
		case a.What == "press":
			presses++
		case a.gone:
		case a.What == "report" && !reports[a.ID], a.What == "action" && !ids[a.ID]:
			lacking = append(lacking, fmt.Sprintf("%s %s (%s at the %s, %s)", a.What, a.ID, a.By, a.Door, a.At.Format("15:04:05.000")))
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		return fmt.Errorf("listed: %d acknowledged are not in the city's log: %s", len(lacking), strings.Join(lacking[:min(5, len(lacking))], "; "))
	}
	// A press has no id that its sender knows: its incidents are counted. What
	// nobody of ours sent under an id is the button's.
	if n := len(strangers); n < presses || n > presses+maybe+j.finger.doubles {
		return fmt.Errorf("listed: %d presses were acknowledged (and %d went with a disk, %d may stand twice), the city has %d incidents of the button", presses, maybe, j.finger.doubles, n)
	}
	for id := range strangers {
		var in struct {
			Reports []struct{ Device string }
		}
		if _, err := j.desk[j.w.file.Command.URL].ask(context.Background(), "GET", "/api/v1/incidents/"+id, nil, &in); err != nil {
			return fmt.Errorf("listed: %w", err)
		}
		if len(in.Reports) == 0 || in.Reports[0].Device != "button-1" {
			return fmt.Errorf("listed: report %s came from nowhere: %+v", id, in.Reports)
		}
	}
	return nil
}

// digests: all core nodes say the same at one index.
func (j *judge) digests(ctx context.Context) error {
	type digest struct {
		Node       string
		Index      uint64
		Log, State string
	}
	var all []digest
	for _, base := range j.w.cores() {
		c := j.desk["digest "+base]
		if c == nil {
			c = j.w.officer(base, "auditor")
			j.desk["digest "+base] = c
		}
		var d digest
		if _, err := c.ask(ctx, "GET", "/api/v1/digest", nil, &d); err != nil {
			return fmt.Errorf("digests: %w", err)
		}
		all = append(all, d)
	}
	for _, d := range all {
		if d.Index != all[0].Index || d.Log != all[0].Log || d.State != all[0].State {
			return fmt.Errorf("digests: the nodes differ: %+v", all)
		}
	}
	return nil
}

// malformed: nothing that was acknowledged as a report lies with the malformed.
func (j *judge) malformed(ctx context.Context) error {
	for base, c := range j.desk {
		if strings.HasPrefix(base, "digest ") {
			continue
		}
		var list struct{ Items []struct{ Raw string } }
		if _, err := c.ask(ctx, "GET", "/api/v1/malformed", nil, &list); err != nil {
			return fmt.Errorf("malformed: %w", err)
		}
		for _, x := range list.Items {
			raw, err := base64.StdEncoding.DecodeString(x.Raw)
			if err != nil {
				return fmt.Errorf("malformed: %w", err)
			}
			for _, a := range j.b.all() {
				if strings.Contains(string(raw), a.ID) {
					return fmt.Errorf("malformed: acknowledged report %s lies in the quarantine of %s", a.ID, base)
				}
			}
		}
	}
	return nil
}

// named: a disk that was put back or copied is named at the station and in the city's
// log, and nothing is named without a cause.
func (j *judge) named(ctx context.Context) error {
	said, lag, err := line(ctx, j.desk[j.w.file.Station[0].URL])
	if err != nil {
		return fmt.Errorf("named: %w", err)
	}
	alarm := slices.ContainsFunc(j.all, func(e entry) bool { return e.Kind == "alarm" })
	switch {
	case lag > 0:
		return fmt.Errorf("named: %d entries are still on their way by the station's own word", lag)
	case j.rolledBack && !alarm:
		return fmt.Errorf("named: a disk was put back, and the city's log has no alarm")
	case j.cloned && !alarm:
		return fmt.Errorf("named: two stations of one name were at work, and the city's log has no alarm")
	case !j.swapped && (strings.Contains(said, "rolled back") || strings.Contains(said, "two disks") || strings.Contains(said, "two live")):
		return fmt.Errorf("named: without a cause: %s", said)
	}
	return nil
}
