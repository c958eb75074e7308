package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

// Auditable is what only the core can give: proofs over the city's log, and exports.
type Auditable interface {
	// LogKey is the public key that signs checkpoints, and the notes by which it
	// states the keys of nodes; successions are those by which the keys of before name it.
	LogKey() (key audit.Key, statements, successions [][]byte, err error)
	// Checkpoint is the latest, with its signed note.
	Checkpoint(ctx context.Context) (audit.Checkpoint, []byte, error)
	// Inclusion proves an entry in the tree of a log of a size; Consistency that
	// the log of one size grew out of another.
	Inclusion(ctx context.Context, index, size uint64) (leaf tlog.Hash, p tlog.RecordProof, err error)
	Consistency(ctx context.Context, from, to uint64) (tlog.TreeProof, error)
	// ExportLog writes the whole log (audit.NewLog).
	ExportLog(ctx context.Context, w io.Writer) error
	// Evidence is one incident as a file (audit.Evidence).
	Evidence(ctx context.Context, by identity.Officer, id record.ID) ([]byte, error)
}

func (s *Server) auditable() (Auditable, error) {
	a, ok := s.Backend.(Auditable)
	if !ok {
		return nil, Problem(404, "not-here", "", "the city's log is proven at the core")
	}
	return a, nil
}

func (s *Server) getLogKey(w http.ResponseWriter, _ *http.Request, _ identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	key, statements, successions, err := a.LogKey()
	if err != nil {
		return err
	}
	out := struct {
		Key         string   `json:"key"`
		Fingerprint string   `json:"fingerprint"`
		Statements  []string `json:"statements"`
		Successions []string `json:"successions"`
	}{key.String(), key.Fingerprint(), nil, []string{}}
	for _, n := range successions {
		out.Successions = append(out.Successions, string(n))
	}
	for _, n := range statements {
		out.Statements = append(out.Statements, string(n))
	}
	return s.answer(w, 200, out)
}

func (s *Server) getCheckpoint(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	_, note, err := a.Checkpoint(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(note) // the client has gone; there is nobody to tell
	return nil
}

type proofJSON struct {
	Index  uint64        `json:"index,omitempty"`
	From   uint64        `json:"from,omitempty"`
	Size   uint64        `json:"size"`
	Leaf   *record.Hash  `json:"leaf,omitempty"`
	Hashes []record.Hash `json:"hashes"`
}

func hashesOf(list []tlog.Hash) []record.Hash {
	out := make([]record.Hash, len(list))
	for i, h := range list {
		out[i] = record.Hash(h)
	}
	return out
}

// position reads a city index or a size; one that is left out is the latest
// checkpoint's size, where that has a meaning.
func position(ctx context.Context, a Auditable, v url.Values, name string, latest bool) (uint64, error) {
	t := v.Get(name)
	if t == "" && latest {
		c, _, err := a.Checkpoint(ctx)
		return c.Size, err
	}
	n, err := strconv.ParseUint(t, 10, 64)
	if err != nil || n == 0 {
		return 0, Problem(400, "invalid-position", name, "a number from 1 on")
	}
	return n, nil
}

func (s *Server) getInclusion(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	index, err := position(r.Context(), a, r.URL.Query(), "index", false)
	if err != nil {
		return err
	}
	size, err := position(r.Context(), a, r.URL.Query(), "size", true)
	if err != nil {
		return err
	}
	leaf, p, err := a.Inclusion(r.Context(), index, size)
	if err != nil {
		return err
	}
	return s.answer(w, 200, proofJSON{Index: index, Size: size, Leaf: (*record.Hash)(&leaf), Hashes: hashesOf(p)})
}

func (s *Server) getConsistency(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	from, err := position(r.Context(), a, r.URL.Query(), "from", false)
	if err != nil {
		return err
	}
	to, err := position(r.Context(), a, r.URL.Query(), "size", true)
	if err != nil {
		return err
	}
	p, err := a.Consistency(r.Context(), from, to)
	if err != nil {
		return err
	}
	return s.answer(w, 200, proofJSON{From: from, Size: to, Hashes: hashesOf(p)})
}

// exportPause is how long a reader of an export may take none of it.
const exportPause = time.Minute

// getExport writes the whole log. What breaks off in the middle ends the
// connection, so that nobody takes a part for the whole; Verify would say so too.
func (s *Server) getExport(w http.ResponseWriter, r *http.Request, _ identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	out := &download{w: w, rc: http.NewResponseController(w), name: "wardline-log.wardline"}
	err = a.ExportLog(r.Context(), out)
	if err != nil && out.begun {
		s.Log.Error("an export broke off", "err", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// download begins the answer with its first bytes.
type download struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	name  string
	begun bool
}

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", "application/octet-stream")
		d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}
	if err := d.rc.SetWriteDeadline(time.Now().Add(exportPause)); err != nil {
		return 0, err
	}
	return d.w.Write(p)
}

func (s *Server) getEvidence(w http.ResponseWriter, r *http.Request, o identity.Officer) error {
	a, err := s.auditable()
	if err != nil {
		return err
	}
	id, err := record.ParseID(r.PathValue("id"))
	if err != nil {
		return Problem(400, "invalid-id", "id", "%v", err)
	}
	raw, err := a.Evidence(r.Context(), o, id)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+id.String()+`.zip"`)
	_, _ = w.Write(raw) // the client has gone; there is nobody to tell
	return nil
}
