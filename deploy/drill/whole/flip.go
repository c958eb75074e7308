package whole

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// flipped is one bit of a file that is another one.
type flipped struct {
	name, path string
	at         int64
	bit        byte
}

func (f flipped) String() string {
	return fmt.Sprintf("bit %d of byte %d of %s", f.bit, f.at, f.path)
}

// do flips the bit, or flips it back.
func (f flipped) do() error {
	h, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = h.ReadAt(b, f.at)
	if err == nil {
		b[0] ^= 1 << f.bit
		_, err = h.WriteAt(b, f.at)
	}
	return errors.Join(err, h.Sync(), h.Close())
}

// maxFlipFile bounds the files that are looked at, in bytes: those of a drill
// are smaller.
const maxFlipFile = 128 << 20

// pickBit draws a bit that stands for something: of a file below dir, and where
// it holds other bytes than zero.
func pickBit(r *rand.Rand, name, dir string) (flipped, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "ballast" || e.Name() == "LOCK" {
			return err
		}
		if st, err := e.Info(); err != nil || st.Size() == 0 || st.Size() > maxFlipFile {
			return err
		}
		files = append(files, path)
		return nil
	})
	if err != nil || len(files) == 0 {
		return flipped{}, errors.Join(err, errors.New("no file to flip a bit of"))
	}
	for range 20 {
		path := files[r.IntN(len(files))]
		raw, err := os.ReadFile(path)
		if err != nil {
			return flipped{}, err
		}
		for range 2000 {
			if at := r.IntN(len(raw)); raw[at] != 0 {
				return flipped{name, path, int64(at), byte(r.IntN(8))}, nil
			}
		}
	}
	return flipped{}, errors.New("all files below " + dir + " are empty")
}

// servesWithin is how long a process with a flipped bit may take to serve or
// to say why it does not.
const servesWithin = 15 * time.Second

// flip changes a bit of a file of a process that is down. Either the process
// then says so and does not serve, or nothing has changed: what it serves is
// held to all checks.
func (m *master) flip(ctx context.Context) error {
	name := station
	if m.r.IntN(3) > 0 {
		name = m.w.names()[1+m.r.IntN(3)]
	}
	if m.busy[name] || len(m.flips) > 0 && name != station && m.flips[0].name != name {
		return nil // two of three core nodes must stay whole
	}
	f := flipped{}
	err := m.hurt([]string{name}, func() (err error) {
		m.w.command("kill", name)
		if f, err = pickBit(m.r, name, filepath.Join(m.w.dir, name)); err == nil {
			err = f.do()
		}
		return err
	})
	if err != nil {
		return err
	}
	m.w.note("flipped: %s", f)
	m.tally.Flips++
	log := filepath.Join(m.w.dir, name+".log")
	before := sizeOfFile(log)
	ctx = context.WithoutCancel(ctx)
	if name != station {
		m.flips = append(m.flips, f)
		m.w.command("start", name)
		if !m.serves(ctx, name) {
			m.named(f, log, before)
			return m.replace(name)
		}
		return nil
	}
	// What a station names as lost is lost with its disk as far as the city does not have it.
	held, err := m.w.heldNow(ctx)
	if err != nil {
		return err
	}
	return m.hurt([]string{name}, func() error {
		m.w.command("start", name)
		if !m.serves(ctx, name) {
			m.named(f, log, before)
			m.w.command("kill", name)
			err := f.do() // the operator's copy of the disk
			m.w.command("start", name)
			return err
		}
		said, _, err := line(ctx, m.w.officer(m.w.file.Station[0].URL, "supervisor"))
		if strings.Contains(said, "lost entries") {
			n, _ := m.b.forget(time.Time{}, held)
			m.tally.Gone += n
			m.swapped = true
			m.w.note("the station names what it lost: %s", said)
			return err
		}
		m.flips = append(m.flips, f)
		return err
	})
}

// serves says whether a process answers, and goes on for a while.
func (m *master) serves(ctx context.Context, name string) bool {
	c, cancel := context.WithTimeout(ctx, servesWithin)
	defer cancel()
	if !m.w.ready(c, m.w.urlOf(name)) {
		return false
	}
	pid := m.w.pid(name)
	pause(ctx, time.Second)
	return pid != 0 && m.w.pid(name) == pid
}

// says is how a process names what is wrong with its disk.
var says = regexp.MustCompile(`(?m)^wardline: .*|level=ERROR .*`)

// named holds a process that does not serve to saying why.
func (m *master) named(f flipped, log string, from int64) {
	raw, err := os.ReadFile(log)
	if err != nil {
		m.b.fault("flip: %v", err)
		return
	}
	said := says.Find(raw[min(from, int64(len(raw))):])
	if said == nil {
		m.b.fault("flip: after %s, %s neither serves nor says why", f, f.name)
		return
	}
	m.w.note("%s says: %.300s", f.name, said)
}

func sizeOfFile(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// mend does once what an operator does when a damaged disk was named after a
// while: a core node gets an empty one, a station its former content. Only what
// does not serve is mended; what is served and is wrong stays wrong.
func (m *master) mend(ctx context.Context) error {
	var err error
	for _, f := range m.flips {
		base := m.w.urlOf(f.name)
		c := m.w.officer(base, "auditor")
		path := "/api/v1/digest"
		if f.name == station {
			path = "/api/v1/incidents?limit=200"
		}
		status, _, xerr := c.asks(ctx, path)
		if xerr == nil && status < 500 {
			continue
		}
		m.w.note("%s does not serve after all (%d %v)", f.name, status, xerr)
		m.named(f, filepath.Join(m.w.dir, f.name+".log"), 0)
		if f.name == station {
			m.w.command("kill", f.name)
			err = errors.Join(err, f.do())
			m.w.command("start", f.name)
			continue
		}
		err = errors.Join(err, m.replace(f.name))
	}
	m.flips = nil
	return err
}
