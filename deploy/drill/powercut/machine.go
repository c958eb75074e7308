package powercut

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// archive writes an initial file system for Linux: the format "newc" of cpio.
// Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
type archive struct {
	w   io.Writer
	n   int
	err error
}

func (a *archive) put(name string, mode int, data []byte) {
	if a.err != nil {
		return
	}
	a.n++
	var b bytes.Buffer
	fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", a.n, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name)
	b.WriteByte(0)
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	b.Write(data)
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	_, a.err = a.w.Write(b.Bytes())
}

// Modes of a directory and of a file that is run.
const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

// WriteInit writes the machine's initial file system: files by their path in
// it, and the drivers, in the order in which they are to be loaded.
func WriteInit(path string, files map[string]string, drivers []string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	a := &archive{w: out}
	a.put("drivers", modeDir, nil)
	for to, from := range files {
		raw, err := os.ReadFile(from)
		if err != nil {
			_ = out.Close()
			return err
		}
		a.put(to, modeFile, raw)
	}
	for i, d := range drivers {
		raw, err := os.ReadFile(d)
		if err != nil {
			_ = out.Close()
			return err
		}
		a.put(fmt.Sprintf("drivers/%02d.ko", i), modeFile, raw)
	}
	a.put("TRAILER!!!", 0, nil)
	if err := out.Close(); a.err == nil {
		a.err = err
	}
	return a.err
}

// Machine is a virtual machine whose only disk is a [Disk].
type Machine struct {
	// Kernel and Init are what it boots; Disk is its disk.
	Kernel, Init string
	Disk         *Disk
	// Forward leads loopback addresses here to ports there.
	Forward map[string]int
	// Console is the file that what it prints is appended to.
	Console string

	cmd    *exec.Cmd
	cancel context.CancelFunc
	served chan error
}

// Start boots it. CPU instructions are emulated, so that it runs where no
// virtualisation is: a boot takes some seconds.
func (m *Machine) Start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(m.Console, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		_ = l.Close()
		return err
	}
	defer log.Close()
	user := "user,id=n,restrict=on"
	for from, to := range m.Forward {
		user += fmt.Sprintf(",hostfwd=tcp:%s-:%d", from, to)
	}
	m.cmd = exec.Command("qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", m.Kernel, "-initrd", m.Init, "-append", "console=ttyS0 panic=-1 quiet",
		"-drive", "file=nbd://"+l.Addr().String()+",format=raw,if=virtio,cache=writeback", "-netdev", user, "-device", "virtio-net-pci,netdev=n,romfile=")
	m.cmd.Stdout, m.cmd.Stderr = log, log
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	m.served = make(chan error, 1)
	go func() { m.served <- Serve(ctx, l, m.Disk) }()
	if err := m.cmd.Start(); err != nil {
		m.cancel()
		<-m.served
		return err
	}
	return nil
}

// Cut ends the machine between two of its instructions, and keeps of what its
// disk had not flushed what r says.
func (m *Machine) Cut(r *rand.Rand) (waiting, kept int, err error) {
	_ = m.cmd.Process.Kill() // it may have ended
	_ = m.cmd.Wait()         // by the kill, which is an error
	m.cancel()
	if err := <-m.served; err != nil {
		return 0, 0, err
	}
	return m.Disk.Cut(r)
}

// driverNames are the modules of Debian's cloud kernel that the machine needs, in order.
var driverNames = []string{"virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "failover", "net_failover", "virtio_net"}

// FindKernel gives the kernel and its drivers out of a folder with an unpacked
// package linux-image-…-cloud-amd64.
func FindKernel(dir string) (kernel string, drivers []string, err error) {
	found, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(found) == 0 {
		return "", nil, fmt.Errorf("no kernel in %s/boot (run deploy/drill/powercut/kernel.sh %s): %w", dir, dir, err)
	}
	for _, name := range driverNames {
		path := ""
		err := filepath.WalkDir(filepath.Join(dir, "lib", "modules"), func(p string, _ os.DirEntry, err error) error {
			if filepath.Base(p) == name+".ko" {
				path = p
			}
			return err
		})
		if err != nil {
			return "", nil, err
		}
		if path == "" {
			return "", nil, fmt.Errorf("%s has no driver %s.ko", dir, name)
		}
		drivers = append(drivers, path)
	}
	return found[0], drivers, nil
}
