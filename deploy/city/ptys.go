package city

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// wires joins two pseudo-terminals: what a script writes to one end the
// station reads from the other, byte for byte.
type wires struct{ files []*os.File }

// newWires makes the pair and the links by which both ends are found; the
// links stay the same when the city is started again.
func newWires(station, script string) (*wires, error) {
	w := &wires{}
	var masters []*os.File
	for _, link := range []string{station, script} {
		m, s, err := pty.Open()
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		// The slave stays open here, so that nothing is lost while nobody has it.
		w.files = append(w.files, m, s)
		masters = append(masters, m)
		if err := raw(s); err != nil {
			return nil, errors.Join(err, w.close())
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			return nil, errors.Join(err, w.close())
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(err, w.close())
		}
		if err := os.Symlink(s.Name(), link); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	for i := range masters {
		go func() {
			_, _ = io.Copy(masters[1-i], masters[i]) // it ends when the wires are closed
		}()
	}
	return w, nil
}

// raw takes away everything that a terminal does to bytes.
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

func (w *wires) close() error {
	var errs []error
	for _, f := range w.files {
		// A blocked read on a terminal ends with its deadline or its file.
		_ = f.SetDeadline(time.Now())
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func closeLater(ctx context.Context, w *wires) {
	<-ctx.Done()
	_ = w.close() // the city has ended
}
