package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// end is one pseudo-terminal. The line's byte stream goes through the
// master; the slave is what is opened by its path.
type end struct {
	master *os.File
	// slave is held open, so that the terminal keeps its raw settings and what was
	// sent to it while nobody else has it open.
	slave *os.File
}

// openEnd makes a raw terminal: no echo, no signals, no line discipline, every
// byte as it is.
func openEnd() (*end, error) {
	m, s, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal: %w; is /dev/pts mounted?", err)
	}
	e := &end{slave: s}
	t, err := unix.IoctlGetTermios(int(s.Fd()), unix.TCGETS)
	if err == nil {
		makeRaw(t)
		err = unix.IoctlSetTermios(int(s.Fd()), unix.TCSETS, t)
	}
	if err == nil {
		e.master, err = pollable(m)
	}
	err = errors.Join(err, m.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up pseudo-terminal: %w", err), e.close())
	}
	return e, nil
}

func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
}

// pollable is a copy of the file whose reads and writes take deadlines and end
// when it is closed.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (e *end) close() error {
	var err error
	if e.master != nil {
		err = e.master.Close()
	}
	return errors.Join(err, e.slave.Close())
}

// link makes the path lead to the end, in one step: whoever opens it finds the
// old end or the new one, never nothing.
func (e *end) link(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(e.slave.Name(), tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
