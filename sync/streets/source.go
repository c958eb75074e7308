package streets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// State is whether there are streets.
type State string

// The states.
const (
	None   State = "none"   // no file was given
	Ready  State = "ready"  // its tiles can be asked for
	Broken State = "broken" // it cannot be read; Problem says why
)

// Info is what a screen needs to know before it asks for tiles.
type Info struct {
	State State `json:"state"`
	// Problem is what is wrong with the file, for people; it does not name its path.
	Problem string `json:"problem,omitempty"`
	// Version changes with the file, so that a tile's address stands for one content.
	Version string `json:"version,omitempty"`
	MinZoom uint8  `json:"min_zoom"`
	MaxZoom uint8  `json:"max_zoom"`
	// Bounds are west, south, east and north, in degrees.
	Bounds []float64 `json:"bounds,omitempty"`
	// Layers are the vector layers that the file says it has.
	Layers []string `json:"layers,omitempty"`
	// Credit is whom the file's makers want named beside the map.
	Credit string `json:"credit,omitempty"`
}

// stamp tells one content of a path from another without reading it.
type stamp struct {
	size int64
	at   int64 // modified, nanoseconds since the Unix epoch
}

// Source is the tile file that an operator named. A file that is replaced is taken up
// when a screen asks next; nobody starts anything anew.
type Source struct {
	path string
	log  *slog.Logger

	mu   sync.RWMutex // guards below; held for reading while a tile is read
	has  stamp
	of   *os.File
	file *File
	info Info
}

// New opens path, or says in the log why there are no streets. An empty path is a source
// without any.
func New(path string, log *slog.Logger) *Source {
	s := &Source{path: path, log: log, info: Info{State: None}}
	if path != "" {
		s.Info()
	}
	return s
}

// Check says what is wrong with the file at path.
func Check(path string) error {
	f, _, _, err := open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func open(path string) (*os.File, *File, stamp, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, stamp{}, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("is no regular file")
	}
	if err != nil {
		return nil, nil, stamp{}, errors.Join(err, f.Close())
	}
	file, err := Read(f, st.Size())
	if err != nil {
		return nil, nil, stamp{st.Size(), st.ModTime().UnixNano()}, errors.Join(err, f.Close())
	}
	return f, file, stamp{st.Size(), st.ModTime().UnixNano()}, nil
}

// Info looks whether the file is another one by now, and says what there is.
func (s *Source) Info() Info {
	if s == nil || s.path == "" {
		return Info{State: None}
	}
	st, err := os.Stat(s.path)
	s.mu.RLock()
	info, same := s.info, err == nil && s.has == stamp{st.Size(), st.ModTime().UnixNano()}
	s.mu.RUnlock()
	if same {
		return info
	}
	return s.reopen()
}

func (s *Source) reopen() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	of, file, has, err := open(s.path)
	was := s.info
	if s.of != nil {
		if err := s.of.Close(); err != nil {
			s.log.Warn("tile file", "file", s.path, "err", err)
		}
	}
	s.of, s.file, s.has = of, file, has
	if err != nil {
		s.info = Info{State: Broken, Problem: problem(err)}
		if was.Problem != s.info.Problem {
			s.log.Warn("no streets are shown: the tile file cannot be read; the wards' boundaries stand alone", "file", s.path, "err", err)
		}
		return s.info
	}
	h := file.h
	s.info = Info{State: Ready, Version: version(has, h), MinZoom: h.minZoom, MaxZoom: h.maxZoom, Layers: file.layers, Credit: file.credit}
	for _, b := range h.bounds {
		s.info.Bounds = append(s.info.Bounds, float64(b)/1e7)
	}
	if was.Version != s.info.Version {
		s.log.Info("streets are shown", "file", s.path, "min_zoom", h.minZoom, "max_zoom", h.maxZoom)
	}
	return s.info
}

// problem says what is wrong without the path, which is nobody's business at a desk.
func problem(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return "the tile file cannot be opened: " + p.Err.Error()
	}
	return "the tile file " + err.Error()
}

func version(has stamp, h header) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %v", has.size, has.at, h))
	return hex.EncodeToString(sum[:8])
}

// Tile gives a tile of the file of that version: ErrNoTile where there is none, ErrOther
// when the file is another one by now.
func (s *Source) Tile(version string, z uint8, x, y uint32) (b []byte, gz bool, err error) {
	if s == nil {
		return nil, false, ErrOther
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.file == nil || s.info.Version != version {
		return nil, false, ErrOther
	}
	return s.file.Tile(z, x, y)
}

// ErrOther says that the file is another one than its caller knows.
var ErrOther = errors.New("streets: the tile file is another one by now")

// Close closes the file.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		return nil
	}
	err := s.of.Close()
	s.of, s.file = nil, nil
	return err
}
