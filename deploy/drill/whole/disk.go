package whole

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own for the station, whose power can be cut:
// what was synced stays, what only stood in the page cache is gone. That is
// ext4's own shutdown without a flush of its log (EXT4_IOC_SHUTDOWN), with which
// file systems are tested against power cuts; it keeps no random part of what was
// not synced, as a real disk may.
type disk struct{ image, dir string }

const (
	// diskSize holds a station's ballast, reserve and some minutes of work.
	diskSize = 600 << 20
	// shutdownRequest is EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32), and
	// withoutLogFlush its EXT4_GOING_FLAGS_NOLOGFLUSH (Linux, fs/ext4/ext4.h).
	shutdownRequest = 0x8004587d
	withoutLogFlush = 2
)

// newDisk makes and mounts a file system at dir. It needs root and loop
// devices; errNoDisk says that there are none.
func newDisk(image, dir string) (*disk, error) {
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close(), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: mkfs.ext4: %v %s", errNoDisk, err, out)
	}
	d := &disk{image, dir}
	if err := d.mount(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDisk, err)
	}
	return d, nil
}

var errNoDisk = errors.New("no file system of its own can be made for the station")

func (d *disk) mount() error {
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w %s", err, out)
	}
	return nil
}

// unmount waits for whoever still has it open.
func (d *disk) unmount() error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("umount", d.dir).CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("umount: %w %s", err, out)
		}
	}
}

// cut is the power cut and its end.
func (d *disk) cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	err = errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), shutdownRequest, withoutLogFlush), f.Close())
	if err != nil {
		return fmt.Errorf("shut %s down: %w", d.dir, err)
	}
	return errors.Join(d.unmount(), d.mount())
}

// close unmounts it.
func (d *disk) close() error { return d.unmount() }

// calamity lets the run's calamity happen, or its next step; again says that
// there is more to come.
func (m *master) calamity(ctx context.Context, which string) (again bool, err error) {
	name := station
	if which == wipe {
		name = m.w.names()[1+m.r.IntN(3)]
	}
	if m.busy[name] {
		return true, nil
	}
	switch which {
	case power:
		return true, m.powerCut()
	case restore:
		if m.images++; m.images == 1 {
			return true, m.takeImage()
		}
		return false, m.putBack(ctx)
	}
	m.w.note("the disk of %s is lost", name)
	m.w.control("kill", url.Values{"name": {name}})
	err = os.RemoveAll(filepath.Join(m.w.dir, name))
	m.w.control("start", url.Values{"name": {name}})
	return false, err
}

// powerCut ends the station's process and everything that was not synced at
// one moment.
func (m *master) powerCut() error {
	m.w.wound()
	defer m.w.heal()
	m.w.note("the station's power is cut")
	m.w.control("kill", url.Values{"name": {station}})
	if err := m.disk.cut(); err != nil {
		return err
	}
	m.tally.PowerCuts++
	m.w.control("start", url.Values{"name": {station}})
	m.w.woundUntilReady(context.Background())
	return nil
}

func (m *master) image() string { return filepath.Join(m.w.o.Dir, "image") }

// takeImage copies the station's disk while its process is down.
func (m *master) takeImage() error {
	m.w.wound()
	defer m.w.heal()
	m.w.note("an image of the station's disk is taken")
	m.w.control("kill", url.Values{"name": {station}})
	m.imageAt = time.Now()
	err := os.CopyFS(m.image(), os.DirFS(filepath.Join(m.w.dir, station)))
	m.w.control("start", url.Values{"name": {station}})
	m.w.woundUntilReady(context.Background())
	return err
}

// putBack puts the image in the disk's place.
func (m *master) putBack(ctx context.Context) error {
	if m.r.IntN(3) > 0 { // else the city may never hear of what was written since
		m.whole()
		pause(ctx, time.Second)
	}
	m.w.wound()
	defer m.w.heal()
	m.w.control("kill", url.Values{"name": {station}})
	m.w.note("the image is put in the place of the station's disk")
	dir := filepath.Join(m.w.dir, station)
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(m.image()))); err != nil {
		return err
	}
	// What is not in the city now was on that disk alone. What a node has taken
	// and not committed yet may still come.
	held, err := m.w.heldNow(ctx)
	if err != nil {
		return fmt.Errorf("while the disk was swapped: %w", err)
	}
	var behind bool
	if m.tally.Gone, behind = m.b.forget(m.imageAt, held); behind {
		m.rolledBack = true
	}
	m.swapped = true
	m.w.control("start", url.Values{"name": {station}})
	m.w.woundUntilReady(context.Background())
	return nil
}
