// Package figures holds what was measured and writes it as a table.
package figures

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Row is one line of the table: one figure of ours, beside one of a peer.
type Row struct {
	Measure string `json:"measure"`
	Unit    string `json:"unit"`
	Ours    Value  `json:"ours"`
	Peer    string `json:"peer,omitempty"`
	Theirs  Value  `json:"theirs"`
	// Note says what is special; for a figure that is missing, why.
	Note string `json:"note,omitempty"`
}

// Value is the median of some repeats and their spread; none without repeats.
type Value struct {
	Median  float64   `json:"median"`
	Least   float64   `json:"least"`
	Most    float64   `json:"most"`
	Repeats []float64 `json:"repeats,omitempty"`
}

// Of makes the value of some repeats.
func Of(v ...float64) Value {
	if len(v) == 0 {
		return Value{}
	}
	s := slices.Sorted(slices.Values(v))
	m := s[len(s)/2]
	if len(s)%2 == 0 {
		m = (m + s[len(s)/2-1]) / 2
	}
	return Value{m, s[0], s[len(s)-1], v}
}

func (v Value) String() string {
	switch len(v.Repeats) {
	case 0:
		return "—"
	case 1:
		return Number(v.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", Number(v.Median), Number(v.Least), Number(v.Most))
}

// Number writes three digits that count, thousands with a comma.
func Number(f float64) string {
	if a := math.Abs(f); a < 100 {
		digits := 2
		if a >= 10 {
			digits = 1
		}
		return fmt.Sprintf("%.*f", digits, f)
	}
	s := fmt.Sprintf("%.0f", f)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ratio is ours over theirs.
func (r Row) ratio() string {
	if len(r.Ours.Repeats) == 0 || len(r.Theirs.Repeats) == 0 || r.Theirs.Median == 0 {
		return "—"
	}
	return Number(r.Ours.Median/r.Theirs.Median) + " ×"
}

// Percentile of unsorted times, in milliseconds; the nearest rank.
func Percentile(times []time.Duration, p float64) float64 {
	s := slices.Sorted(slices.Values(times))
	i := int(math.Ceil(p/100*float64(len(s)))) - 1
	return float64(s[min(max(i, 0), len(s)-1)]) / 1e6
}

// Machine is what the figures were measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Disk   string `json:"disk"`
	FS     string `json:"fs"`
	Go     string `json:"go"`
	Date   string `json:"date"`
	// Load is the load average of the minute before the run: what else the
	// machine was doing.
	Load string `json:"load"`
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s on %s, %s, %s, load %s before", m.CPU, m.Cores, m.Kernel, m.FS, m.Disk, m.Go, m.Date, m.Load)
}

// Report is a whole run.
type Report struct {
	Machine Machine  `json:"machine"`
	Short   bool     `json:"short"`
	Peers   []string `json:"peers"`
	Rows    []Row    `json:"rows"`
	Seconds float64  `json:"seconds"`
}

// Markdown writes the table.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| measure | unit | Wardline | peer | its figure | ratio | |\n|---|---|---|---|---|---|---|\n")
	for _, x := range r.Rows {
		peer := x.Peer
		if peer == "" {
			peer = "—"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", x.Measure, x.Unit, x.Ours, peer, x.Theirs, x.ratio(), x.Note)
	}
	fmt.Fprintf(&b, "\nMeasured on %s. Peers: %s. Median (least–most) of the repeats; ours and the peer in turn; %.0f s in all.\n",
		r.Machine, strings.Join(r.Peers, ", "), r.Seconds)
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes everything, with each repeat.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
