package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"wardline/sync/identity"
	"wardline/sync/record"
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
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		changed := log.Changed()
		next, err := st.send(pos)
		if err != nil { // the reader has gone, or the log cannot be read: it resumes with the last id it got
			s.Log.Debug("live stream ended", "err", err)
			return nil
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
			if st.beat() != nil {
				return nil
			}
		}
	}
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

// send writes an event for each incident that changed after pos, once per
// read, at its last position; it returns the position that was reached.
func (st *stream) send(pos uint64) (uint64, error) {
	log := st.s.Backend.Log()
	rows, err := log.After(pos, liveBatch)
	if err != nil || len(rows) == 0 {
		return pos, err
	}
	end := rows[len(rows)-1].Position
	last := map[record.ID]uint64{}
	for _, row := range rows {
		for _, id := range append([]record.ID{row.Body.Incident}, row.Body.Payload.Incidents...) {
			if !id.Zero() {
				last[id] = row.Position
			}
		}
	}
	out := make([]byte, 0, 4096)
	for _, row := range rows {
		id := row.Body.Incident
		if last[id] != row.Position && len(row.Body.Payload.Incidents) == 0 {
			continue
		}
		for _, id := range append([]record.ID{id}, row.Body.Payload.Incidents...) {
			if id.Zero() || last[id] != row.Position {
				continue
			}
			bodies, err := log.Bodies(id)
			if err != nil {
				return pos, err
			}
			in := record.Fold(id, bodies)
			if !st.o.Sees(in) {
				continue
			}
			b, err := json.Marshal(eventJSON{Incident: id, Reports: reportIDs(in), Status: in.Status, Index: row.Position})
			if err != nil {
				return pos, err
			}
			out = fmt.Appendf(out, "event: incident\nid: %d\ndata: %s\n\n", row.Position, b)
		}
	}
	if len(out) == 0 {
		return end, nil
	}
	return end, st.write(string(out))
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
