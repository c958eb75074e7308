package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/view"
)

// Times and sizes of a live stream.
const (
	// heartbeat is how often a stream says that it lives, and how the line is; a
	// screen that hears nothing for two of them shows its state as old.
	heartbeat = 5 * time.Second
	// writeLimit ends a stream whose reader takes nothing.
	writeLimit = 20 * time.Second
	// liveBatch bounds what is read from the log at once.
	liveBatch = 256
	// maxReplay bounds how far back a stream resumes; beyond it the screen is
	// told to read everything anew.
	maxReplay = 100_000
)

type eventJSON struct {
	Incident record.ID   `json:"incident"`
	Reports  []record.ID `json:"reports"`
	Status   string      `json:"status"`
	Index    uint64      `json:"index"`
	Row      rowJSON     `json:"row"`
}

type heartbeatJSON struct {
	At    Time   `json:"at"`
	Index uint64 `json:"index"`
	Line  Line   `json:"line"`
}

// getLive follows the log: each event says that an incident changed and names
// the position to resume at. It holds no queue; a slow reader reads later and
// gets several changes of an incident as one.
func (s *Server) getLive(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	log := s.Backend.Log()
	pos := log.Position()
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("after")
	}
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 64)
		if err != nil {
			return Problem(400, "invalid-position", "Last-Event-ID", "send back the id of the last event, a number")
		}
		pos = n
	}
	select {
	case s.live <- struct{}{}:
		defer func() { <-s.live }()
	default:
		e := Problem(503, "too-many-streams", "", "this node serves %d live streams already", maxLive)
		e.RetryAfter = 5
		return e
	}
	st := &stream{w: w, rc: http.NewResponseController(w), s: s, o: o}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(200)
	if now := log.Position(); pos+maxReplay < now || pos > now {
		// Too far back, or from a log that is not ours (a restored image): the
		// screen must read its lists again.
		if st.write(fmt.Sprintf("event: reset\nid: %d\ndata: {\"index\":%d}\n\n", now, now)) != nil {
			return nil
		}
		pos = now
	}
	if st.beat() != nil {
		return nil
	}
	if last != "" && pos > 0 {
		if err := st.rest(pos); err != nil {
			return s.ended(err)
		}
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		changed := log.Changed()
		next, err := st.send(pos)
		if err != nil {
			return s.ended(err)
		}
		if next > pos {
			pos = next
			continue
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
			now, ok := s.session(r) // who logged out, or may no more, sees no more
			if !ok || !identity.Endpoints[r.Pattern].Admits(now) || st.beat() != nil {
				return nil
			}
			st.o = now
		}
	}
}

// ended notes why a stream ends: the reader has gone, or the log cannot be read.
// The reader resumes with the last id that it got.
func (s *Server) ended(err error) error {
	s.Log.Debug("live stream ended", "err", err)
	return nil
}

type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	s  *Server
	o  identity.Officer
}

func (st *stream) write(text string) error {
	if err := st.rc.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.rc.Flush()
}

func (st *stream) beat() error {
	b, err := json.Marshal(heartbeatJSON{At: Time(st.s.Now().UnixMilli()), Index: st.s.Backend.CityIndex(), Line: st.s.Backend.Line()})
	if err != nil {
		return err
	}
	return st.write("event: heartbeat\ndata: " + string(b) + "\n\n")
}

// about are the incidents that an entry changed, each once.
func about(b *record.Body) []record.ID {
	var out []record.ID
	for _, id := range append([]record.ID{b.Incident}, b.Payload.Incidents...) {
		if !id.Zero() && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// send writes an event for each incident that changed after pos, once per
// read, at its last position; it returns the position that was reached.
func (st *stream) send(pos uint64) (uint64, error) {
	rows, err := st.s.Backend.Log().After(pos, liveBatch)
	if err != nil || len(rows) == 0 {
		return pos, err
	}
	last := map[record.ID]uint64{}
	for i := range rows {
		for _, id := range about(&rows[i].Body) {
			last[id] = rows[i].Position
		}
	}
	out := make([]byte, 0, 4096)
	for i := range rows {
		for _, id := range about(&rows[i].Body) {
			if last[id] != rows[i].Position {
				continue
			}
			if out, err = st.event(out, id, rows[i].Position); err != nil {
				return pos, err
			}
		}
	}
	return rows[len(rows)-1].Position, st.events(out)
}

// rest writes the events of the position at which a stream resumes that its
// reader may lack: an entry about several incidents gives an event for each, with
// one id, and the connection can break after the first. Who has them gets them twice.
func (st *stream) rest(pos uint64) error {
	rows, err := st.s.Backend.Log().After(pos-1, 1)
	if err != nil || len(rows) == 0 || rows[0].Position != pos {
		return err
	}
	var out []byte
	for i, id := range about(&rows[0].Body) {
		if i == 0 {
			continue
		}
		if out, err = st.event(out, id, pos); err != nil {
			return err
		}
	}
	return st.events(out)
}

func (st *stream) events(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	return st.write(string(out))
}

// event appends the event that says how an incident stands now, if the officer
// may see it.
func (st *stream) event(out []byte, id record.ID, pos uint64) ([]byte, error) {
	stored, err := st.s.Backend.Here(id)
	if err != nil {
		return out, err
	}
	in := record.Fold(id, bodiesOf(stored))
	if !st.o.Sees(in) {
		return out, nil
	}
	row := view.RowOf(in, pos)
	j := rowFrom(&row)
	j.Brief = st.s.brief(in, stored)
	b, err := json.Marshal(eventJSON{Incident: id, Reports: reportIDs(in), Status: in.Status, Index: pos, Row: j})
	return fmt.Appendf(out, "event: incident\nid: %d\ndata: %s\n\n", pos, b), err
}

func reportIDs(in *record.Incident) []record.ID {
	out := []record.ID{}
	for _, a := range in.Reports {
		if len(out) == 0 || out[len(out)-1] != a.Report {
			out = append(out, a.Report)
		}
	}
	return out
}
