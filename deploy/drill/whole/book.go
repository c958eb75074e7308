package whole

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Doors at which something was acknowledged.
const (
	atWard = "ward"
	atCity = "city"
)

// ack is one acknowledgement as its sender saw it.
type ack struct {
	// ID is the report's, or of an officer's entry.
	ID string `json:"id"`
	// What is report, action or press.
	What string `json:"what"`
	Door string `json:"door"`
	By   string `json:"by"`
	// Incident is the action's.
	Incident string `json:"incident,omitempty"`
	// Keeps: the sender keeps it until it is in the city, and offers it again.
	Keeps bool      `json:"keeps"`
	At    time.Time `json:"at"`
	// gone: it was on a disk alone that was put back to an older state.
	gone bool
}

// book is the drill's own list, in memory and as lines in a file.
type book struct {
	mu     sync.Mutex // guards all below
	f      *os.File
	w      *bufio.Writer
	acks   map[string]*ack
	made   map[string]bool // every id that was ever sent
	wrong  []error         // what must never happen and did
	first  []string        // the first reports that were acknowledged
	urgent time.Duration   // the longest wait of an urgent report at a ward without a fault
	werr   error
}

func openBook(path string) (*book, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &book{f: f, w: bufio.NewWriter(f), acks: map[string]*ack{}, made: map[string]bool{}}, nil
}

func (b *book) sends(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made[id] = true
}

func (b *book) acknowledged(a ack) {
	a.At = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.acks[a.ID]; old != nil && !old.gone {
		return
	}
	b.acks[a.ID] = &a
	if a.What == "report" && len(b.first) < hotReports {
		b.first = append(b.first, a.ID)
	}
	line, err := json.Marshal(a)
	if err == nil {
		_, err = b.w.Write(append(line, '\n'))
	}
	b.werr = errors.Join(b.werr, err)
}

// hotReports is how many incidents both desks work on again and again.
const hotReports = 6

func (b *book) hot() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.first)
}

// fault notes what must never happen.
func (b *book) fault(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) < 20 {
		b.wrong = append(b.wrong, fmt.Errorf(format, a...))
	}
}

// waited notes how long an urgent report waited where nothing was wrong.
func (b *book) waited(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.urgent = max(b.urgent, d)
}

// all is a copy of what was acknowledged.
func (b *book) all() []ack {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]ack, 0, len(b.acks))
	for _, a := range b.acks {
		out = append(out, *a)
	}
	return out
}

// forget marks what a disk that was put back took with it: acknowledged at the
// ward after the image was taken, by a source without memory, not in the city when
// the disk was swapped. behind says that the city certainly holds what the image does not.
func (b *book) forget(image time.Time, h held) (n int, behind bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.acks {
		if a.Door == atWard && !a.Keeps && a.At.After(image) && !h.known[a.ID] {
			a.gone = true
			n++
		}
		// An acknowledgement may be read some time after it was sent.
		behind = behind || a.Door == atWard && h.lines[a.ID] && a.At.After(image.Add(time.Second))
	}
	return n, behind
}

func (b *book) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.werr, b.w.Flush(), b.f.Close())
}
