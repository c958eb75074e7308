// Command guest is the first process of the virtual machine that runs a station
// on a disk whose power is cut: it loads the drivers, mounts the disk, brings the
// network up and keeps the station running. It never ends: the power does.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the machine's side (package powercut) gives: drivers in the order of
// their names, and QEMU's user network (its manual, "Using the user mode network stack").
const (
	drivers = "/drivers/*.ko"
	disk    = "/dev/vda"
	address = "10.0.2.15"
)

// ports are where the station listens on loopback; the machine's address leads there.
var ports = []string{"8801", "1883"}

func main() {
	if err := begin(); err != nil {
		fmt.Println("GUEST FAILED:", err)
		for {
			time.Sleep(time.Hour) // a first process that ends is a panic, whose words hide these
		}
	}
	for _, p := range ports {
		go forward(p)
	}
	for {
		c := exec.Command("/wardline", "edge", "--config", "/edge.yaml")
		c.Stdout, c.Stderr = os.Stdout, os.Stdout
		c.Env = []string{"HOME=/", "TMPDIR=/tmp", "PATH=/"}
		fmt.Println("GUEST: station ended:", c.Run())
		time.Sleep(time.Second)
	}
}

func begin() error {
	for _, m := range [][3]string{{"devtmpfs", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"tmpfs", "/tmp", "tmpfs"}} {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m[0], m[1], m[2], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	files, err := filepath.Glob(drivers)
	if err != nil {
		return err
	}
	sort.Strings(files)
	for _, f := range files {
		if err := load(f); err != nil {
			return fmt.Errorf("load %s: %w", f, err)
		}
	}
	for i := 0; ; i++ {
		if _, err := os.Stat(disk); err == nil {
			break
		}
		if i == 600 {
			return fmt.Errorf("%s does not come", disk)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := os.MkdirAll("/data", 0o755); err != nil {
		return err
	}
	if err := unix.Mount(disk, "/data", "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount /data: %w", err)
	}
	for name, ip := range map[string]string{"lo": "127.0.0.1", "eth0": address} {
		if err := up(name, net.ParseIP(ip)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Println("GUEST: ready")
	return nil
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// up gives an interface its address, with the netmask of 10.0.2.0/24 or 127/8 as
// the kernel derives it, and switches it on (netdevice(7)).
func up(name string, ip net.IP) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	var q struct {
		name [unix.IFNAMSIZ]byte
		data [24]byte
	}
	copy(q.name[:], name)
	call := func(what uintptr) error {
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(s), what, uintptr(unsafe.Pointer(&q))); e != 0 {
			return e
		}
		return nil
	}
	binary.NativeEndian.PutUint16(q.data[:], unix.AF_INET)
	copy(q.data[4:], ip.To4())
	if err := call(unix.SIOCSIFADDR); err != nil {
		return err
	}
	q.data = [24]byte{}
	binary.NativeEndian.PutUint16(q.data[:], unix.IFF_UP|unix.IFF_RUNNING)
	return call(unix.SIOCSIFFLAGS)
}

// forward leads a port of the machine to the station on loopback, which takes
// plain connections there alone.
func forward(port string) {
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		fmt.Println("GUEST FAILED:", err)
		return
	}
	for {
		c, err := l.Accept()
		if err != nil {
			continue
		}
		go func() {
			defer c.Close()
			d, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
			if err != nil {
				return
			}
			defer d.Close()
			go func() {
				_, _ = io.Copy(d, c) // either end may go at any time
				_ = d.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(c, d)
		}()
	}
}
