package sim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Port is the end of a cable on which a device is played. A *os.File from
// OpenPort is one, and so is a net.Conn.
type Port interface {
	io.ReadWriter
	// SetReadDeadline ends a read that waits, SetWriteDeadline a write.
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

var _ Port = (*os.File)(nil)

// ErrPlayed: another process plays a device on this end.
var ErrPlayed = errors.New("another process plays a device on this end of the cable; stop it, one end has one device")

// OpenPort opens the device's end of a cable. What an earlier player left
// unread is thrown away: it answers nothing that this one sends. Close it after
// the player's Run has returned.
func OpenPort(path string) (_ *os.File, err error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the device's end %s: %w; does the city run?", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("%s is no terminal: %w; give the path that city.json names as port", path, err)
	}
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, fmt.Errorf("%s: %w", path, ErrPlayed)
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	makeRaw(t)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", path, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return nil, fmt.Errorf("flush %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
