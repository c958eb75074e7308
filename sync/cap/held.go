package cap

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"wardline/sync/record"
)

// Held is a message as the log holds it.
type Held struct {
	ID     record.ID
	Target record.ID // the message that it changes or takes back; zero for none
	Alert  Alert
	Wards  []record.WardCode
	Until  int64 // milliseconds since the Unix epoch, UTC
	Origin record.Origin
	By     record.Actor
}

// Body is the entry of a message for wards; target as in Held. Who writes it adds
// origin, clock and author.
func (a *Alert) Body(wards []record.WardCode, target record.ID) (record.Body, error) {
	data, err := json.Marshal(a)
	if err != nil {
		return record.Body{}, err
	}
	b := record.Body{ID: a.ID(), Kind: record.KindBroadcast, Payload: record.Payload{Step: a.MsgType, Target: target, Until: int64(a.Expires()), Data: data}}
	for _, w := range wards {
		b.Payload.Told = append(b.Payload.Told, record.WardUnit(w))
	}
	return b, nil
}

// HeldOf reads an entry.
func HeldOf(b *record.Body) (Held, error) {
	h := Held{ID: b.ID, Target: b.Payload.Target, Until: b.Payload.Until, Origin: b.Origin, By: b.Actor}
	if b.Kind != record.KindBroadcast {
		return h, fmt.Errorf("cap: an entry of kind %v is no warning", b.Kind)
	}
	if err := json.Unmarshal(b.Payload.Data, &h.Alert); err != nil {
		return h, fmt.Errorf("cap: warning %s: %w", b.ID, err)
	}
	for _, u := range b.Payload.Told {
		if w, ok := u.Ward(); ok {
			h.Wards = append(h.Wards, w)
		}
	}
	return h, nil
}

// The states of a message.
const (
	Holds     = "holds"
	Expired   = "expired"
	Updated   = "updated"
	Cancelled = "cancelled"
	// Cancels is a message that takes another one back.
	Cancels = "cancel"
)

// States says of each message what it is worth at a time, milliseconds since the Unix
// epoch, UTC. A pure function of the set: the order makes no difference. A message stands
// over those of its own status alone: an exercise never takes a real warning down.
func States(list []Held, now int64) map[record.ID]string {
	out := make(map[record.ID]string, len(list))
	for i := range list {
		switch h := &list[i]; {
		case h.Alert.MsgType == MsgCancel:
			out[h.ID] = Cancels
		case h.Until <= now:
			out[h.ID] = Expired
		default:
			out[h.ID] = Holds
		}
	}
	for i := range list { // what is about another one stands over all that came before it
		state := Updated
		if list[i].Alert.MsgType == MsgCancel {
			state = Cancelled
		}
		seen := []record.ID{list[i].ID}
		for id := list[i].Target; !id.Zero() && !slices.Contains(seen, id); {
			seen = append(seen, id)
			old := slices.IndexFunc(list, func(h Held) bool { return h.ID == id })
			if old < 0 || list[old].Alert.Status != list[i].Alert.Status { // practice changes nothing that is real
				break
			}
			if s := out[id]; s == Holds || s == Updated && state == Cancelled {
				out[id] = state
			}
			id = list[old].Target
		}
	}
	return out
}

// Present are the messages that hold for a ward at a time, in the order given; an
// empty ward: for any. Exercises and tests are not for the public.
func Present(list []Held, ward record.WardCode, now int64, public bool) []Held {
	states := States(list, now)
	var out []Held
	for _, h := range list {
		if states[h.ID] == Holds && (ward == "" || slices.Contains(h.Wards, ward)) && (!public || h.Alert.Status == Actual && h.Alert.Scope == Public) {
			out = append(out, h)
		}
	}
	return out
}

// outlinePoints is how many points a circle is drawn with.
const outlinePoints = 32

// Outline is the circle as a closed line of points, on a sphere.
func (c Circle) Outline() Polygon {
	km, err := strconv.ParseFloat(c.Radius, 64)
	if err != nil {
		return nil
	}
	lat, lon := float64(c.Centre.LatE7)/1e7, float64(c.Centre.LonE7)/1e7
	up := max(km, 0.001) / 111.195 // degrees of latitude
	across := up / max(math.Cos(lat*math.Pi/180), 0.01)
	var p Polygon
	for i := range outlinePoints {
		a := 2 * math.Pi * float64(i) / outlinePoints
		q, ok := point(min(90, max(-90, lat+up*math.Sin(a))), min(180, max(-180, lon+across*math.Cos(a))))
		if ok {
			p = append(p, q)
		}
	}
	return append(p, p[0])
}
