package whole

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own for one process: an ext4 in a loop device
// whose blocks stand in a small file system in memory. It can lose its power, be full, fail
// a write, and stand still.
type disk struct{ room, dir string }

const (
	// stationDisk and coreDisk hold ballast, reserve and some minutes of work, in bytes.
	stationDisk = 600 << 20
	coreDisk    = 1200 << 20
	// shutdownRequest is EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), and
	// withoutLogFlush its EXT4_GOING_FLAGS_NOLOGFLUSH (Linux, fs/ext4/ext4.h).
	shutdownRequest = 0x8004587d
	withoutLogFlush = 2
	// freezeRequest and thawRequest are FIFREEZE and FITHAW (linux/fs.h).
	freezeRequest = 0xc0045877
	thawRequest   = 0xc0045878
)

var errNoDisk = errors.New("no file systems of their own can be made")

// newDisk makes and mounts a file system at dir, with its blocks below room. It
// needs root and loop devices; errNoDisk says that there are none.
func newDisk(room, dir string, size int64) (d *disk, err error) {
	if err := errors.Join(os.MkdirAll(room, 0o700), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	d = &disk{room, dir}
	if err := run("mount", "-t", "tmpfs", "-o", d.roomFor(size), "wardline-drill", room); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDisk, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", errNoDisk, errors.Join(err, run("umount", room)))
		}
	}()
	f, err := os.Create(d.image())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, err
	}
	// What describes the files, and the journal, are written now and have their
	// blocks: a write that fails is one of data.
	mkfs := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", d.image())
	mkfs.Env = append(os.Environ(), "UNIX_IO_NOZEROOUT=1") // libext2fs: zeros are written, not punched
	if out, err := mkfs.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mkfs.ext4: %w %s", err, out)
	}
	return d, d.mount()
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func (d *disk) image() string { return filepath.Join(d.room, "disk.ext4") }

func (d *disk) roomFor(size int64) string { return "size=" + strconv.FormatInt(size, 10) }

// Blocks that were freed go back to the room, so that new ones need some. A disk is
// mounted as the program asks for (sync/tables, Advise). Requests are of one block: the
// loop device calls a write that its file took in part a good one (Linux 6.18,
// drivers/block/loop.c), and a disk that lies about what it wrote proves nothing.
func (d *disk) mount() error {
	if err := run("mount", "-o", "loop,discard,data_err=abort", d.image(), d.dir); err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Stat(d.dir, &s); err != nil {
		return err
	}
	return os.WriteFile(fmt.Sprintf("/sys/dev/block/%d:%d/queue/max_sectors_kb", unix.Major(s.Dev), unix.Minor(s.Dev)), []byte("4"), 0)
}

// unmount waits for whoever still has it open.
func unmount(dir string) (err error) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = run("umount", dir); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// again unmounts and mounts: what the kernel only remembered is forgotten.
func (d *disk) again() error {
	if err := unmount(d.dir); err != nil {
		return err
	}
	// A journal that was given up is named here and set right; 1 says so.
	if out, err := exec.Command("e2fsck", "-p", d.image()).CombinedOutput(); err != nil {
		if x, ok := errors.AsType[*exec.ExitError](err); !ok || x.ExitCode() > 1 {
			return fmt.Errorf("e2fsck: %w %s", err, out)
		}
	}
	return d.mount()
}

// ioctl asks something of the file system.
func (d *disk) ioctl(request uint, value int) error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), request, value), f.Close()); err != nil {
		return fmt.Errorf("ioctl %#x of %s: %w", request, d.dir, err)
	}
	return nil
}

// cut is the power cut: what was synced stays, what only stood in the page
// cache is gone. That is ext4's own shutdown without a flush of its log, with which file
// systems are tested against power cuts; it keeps no random part of what was
// not synced, as a real disk may.
func (d *disk) cut() error {
	if err := d.ioctl(shutdownRequest, withoutLogFlush); err != nil {
		return err
	}
	return d.again()
}

// exhaust leaves no room behind the disk: the file system has space and every
// write to a new block fails. The kernel says so once, at the next sync, and
// then forgets it together with what was not written (fsync(2), EIO and ENOSPC).
func (d *disk) exhaust() (err error) {
	for range 20 { // what is written meanwhile makes the size too small
		var s unix.Statfs_t
		if err := unix.Statfs(d.room, &s); err != nil {
			return err
		}
		if err = run("mount", "-o", "remount,"+d.roomFor(int64(s.Blocks-s.Bfree)*s.Bsize), d.room); err == nil {
			return nil
		}
	}
	return err
}

// refill ends exhaust.
func (d *disk) refill(size int64) error {
	return run("mount", "-o", "remount,"+d.roomFor(size), d.room)
}

// filler is the file that takes a disk's space.
const filler = "filler"

// fill leaves so many bytes free.
func (d *disk) fill(leave int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(d.dir, &s); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.dir, filler), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	// A file system keeps some blocks to describe what was taken.
	for take := int64(s.Bavail)*s.Bsize - leave; take > 0; take -= 64 << 10 {
		if err = unix.Fallocate(int(f.Fd()), 0, st.Size(), take); !errors.Is(err, unix.ENOSPC) {
			break
		}
	}
	if errors.Is(err, unix.ENOSPC) {
		err = nil // it is as full as it can be
	}
	return errors.Join(err, f.Close())
}

func (d *disk) empty() error { return os.RemoveAll(filepath.Join(d.dir, filler)) }

// freeze lets every write and sync wait until thaw.
func (d *disk) freeze() error { return d.ioctl(freezeRequest, 0) }
func (d *disk) thaw() error   { return d.ioctl(thawRequest, 0) }

// close unmounts both.
func (d *disk) close() error { return errors.Join(unmount(d.dir), unmount(d.room)) }
