package serialport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"

	"wardline/hardware/panel"
)

var (
	// ErrGone: the adapter was pulled, or the path now leads to another device.
	ErrGone = errors.New("the serial device is gone; it is opened again when it is back")
	// ErrInUse: another process has the device, and would steal bytes of alarms.
	ErrInUse = errors.New("another process has the serial device open; stop it, one line has one reader")
	// ErrNoTerminal: the path is no serial device.
	ErrNoTerminal = errors.New("not a serial device; give the path of a tty, best the one in /dev/serial/by-id")
	// ErrStalled: the device takes no bytes.
	ErrStalled = errors.New("the serial device takes no bytes; check the cable and flow control")
)

const (
	// readTimeout is how long a read waits for a byte: bounds the time that closing
	// takes and how late a pulled adapter is seen. A byte that comes is read at once.
	readTimeout = 200 * time.Millisecond
	// writeTimeout is more than the longest reply needs at 300 baud.
	writeTimeout = 2 * time.Second
	// quickReads is how many empty reads without any waiting are believed before
	// the device is called gone: a driver that is going away would spin.
	quickReads = 50
)

// device is one opening of the line: tarm's port, and a second descriptor of
// the same terminal for what tarm does not offer (lock, parity marks, hang-up,
// room to write).
type device struct {
	port *serial.Port
	ctl  int
	name string
	id   uint64 // device number
	path string // as configured, a link perhaps
	mark unescaper
}

// openDevice resolves the path anew, so that a link may lead to another device
// than before.
func openDevice(path string, p panel.Profile) (_ *device, err error) {
	name, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open serial line: %w", err)
	}
	ctl, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open serial line %s: %w", name, err)
	}
	d := &device{ctl: ctl, name: name, path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if _, err = unix.IoctlGetTermios(ctl, unix.TCGETS); err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", name, ErrNoTerminal, err)
	}
	if err = unix.Flock(ctl, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", name, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(ctl, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", name, err)
	}
	d.id = st.Rdev
	d.port, err = serial.OpenPort(&serial.Config{
		Name: name, Baud: p.Baud, Size: byte(p.Size), Parity: parities[p.Parity], StopBits: serial.StopBits(p.StopBits), ReadTimeout: readTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("set up serial line %s: %w", name, err)
	}
	if err = d.markDamage(p.Parity != panel.ParityNone); err != nil {
		return nil, err
	}
	return d, nil
}

var parities = map[panel.Parity]serial.Parity{
	panel.ParityNone: serial.ParityNone, panel.ParityEven: serial.ParityEven, panel.ParityOdd: serial.ParityOdd,
}

// markDamage makes the driver report broken bytes. tarm ignores parity, and an
// alarm with a flipped digit would be believed.
func (d *device) markDamage(parity bool) error {
	t, err := unix.IoctlGetTermios(d.ctl, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("settings of %s: %w", d.name, err)
	}
	t.Iflag &^= unix.IGNPAR
	t.Iflag |= unix.PARMRK
	if parity {
		t.Iflag |= unix.INPCK
	}
	if err := unix.IoctlSetTermios(d.ctl, unix.TCSETS, t); err != nil {
		return fmt.Errorf("settings of %s: %w", d.name, err)
	}
	return nil
}

func (d *device) close() error {
	var err error
	if d.port != nil {
		err = d.port.Close()
	}
	return errors.Join(err, unix.Close(d.ctl))
}

// alive says whether the device is still there and still the one that the path
// leads to. A path that leads nowhere for a moment (links are being made
// anew) is no proof of loss.
func (d *device) alive() bool {
	if events, err := d.poll(0, 0); err != nil || events&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
		return false
	}
	fi, err := os.Stat(d.path)
	if err != nil {
		return true
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Rdev == d.id
}

func (d *device) poll(events int16, wait time.Duration) (int16, error) {
	until := time.Now().Add(wait)
	for {
		fds := []unix.PollFd{{Fd: int32(d.ctl), Events: events}}
		_, err := unix.Poll(fds, int(max(0, time.Until(until).Milliseconds())))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return fds[0].Revents, err
	}
}

// write writes a reply. A terminal that takes nothing would hold a writer for
// ever, so each byte waits, within limits, until there is room for it.
func (d *device) write(b []byte) error {
	for i := range b {
		ev, err := d.poll(unix.POLLOUT, writeTimeout)
		switch {
		case err != nil:
			return fmt.Errorf("write to %s: %w", d.name, err)
		case ev&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
			return ErrGone
		case ev&unix.POLLOUT == 0:
			return fmt.Errorf("%s: %w", d.name, ErrStalled)
		}
		if _, err := d.port.Write(b[i : i+1]); err != nil {
			return fmt.Errorf("write to %s: %w: %w", d.name, ErrGone, err)
		}
	}
	return nil
}

// piece is bytes that arrived whole; broken says that a broken one follows.
type piece struct {
	bytes  []byte
	broken bool
}

// unescaper undoes PARMRK: 0xFF 0x00 X is a broken byte (or a break), 0xFF 0xFF
// a real 0xFF.
type unescaper struct{ state uint8 }

func (u *unescaper) pieces(b []byte) []piece {
	var out []piece
	var cur []byte
	for _, c := range b {
		switch {
		case u.state == 0 && c == 0xFF:
			u.state = 1
		case u.state == 1 && c == 0:
			u.state = 2
		case u.state == 2:
			out = append(out, piece{bytes: cur, broken: true})
			cur, u.state = nil, 0
		default: // plain, the second 0xFF, or an escape that no driver writes
			cur, u.state = append(cur, c), 0
		}
	}
	if len(cur) > 0 {
		out = append(out, piece{bytes: cur})
	}
	return out
}
