package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"wardline/deploy/bench/figures"
)

// machine describes this one; dir is where the data go.
func machine(dir string) (figures.Machine, error) {
	m := figures.Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Date: time.Now().UTC().Format(time.DateOnly)}
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			m.CPU = strings.TrimSpace(v)
			break
		}
	}
	if raw, err = os.ReadFile("/proc/sys/kernel/osrelease"); err != nil {
		return m, err
	}
	m.Kernel = strings.TrimSpace(string(raw))
	if raw, err = os.ReadFile("/proc/loadavg"); err != nil {
		return m, err
	}
	m.Load, _, _ = strings.Cut(string(raw), " ")
	m.Disk, m.FS, err = mountOf(dir)
	return m, err
}

// mountOf finds the device and file system that hold a directory (proc(5), mountinfo).
func mountOf(dir string) (device, fs string, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", "", err
	}
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	best := -1
	for line := range strings.Lines(string(raw)) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 5 || len(g) < 2 {
			continue
		}
		at := f[4]
		if len(at) >= best && (dir == at || strings.HasPrefix(dir, strings.TrimSuffix(at, "/")+"/")) {
			best, fs, device = len(at), g[0], g[1]
		}
	}
	if best < 0 {
		return "", "", fmt.Errorf("no mount holds %s", dir)
	}
	return device, fs, nil
}

// onDisk fails for a directory whose file system keeps its data in memory: a
// sync there costs nothing, and every figure would be a lie.
func onDisk(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return err
	}
	const tmpfs, ramfs = 0x01021994, 0x858458f6 // statfs(2)
	if s.Type == tmpfs || s.Type == ramfs {
		return fmt.Errorf("%s lies in memory (tmpfs); name a directory on a disk with -dir", dir)
	}
	return nil
}

// syncTimes writes 512 bytes and syncs them, n times, and gives how long each took.
func syncTimes(dir string, n int) ([]time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = f.Close()           // only its times matter
		_ = os.Remove(f.Name()) // the whole directory goes
	}()
	// The file is as long as it will get, so that a sync writes data only.
	if _, err := f.Write(make([]byte, 512*n)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	var out []time.Duration
	line := make([]byte, 512)
	for i := range n {
		began := time.Now()
		line[0] = byte(i)
		if _, err := f.WriteAt(line, int64(512*i)); err != nil {
			return nil, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		out = append(out, time.Since(began))
	}
	return out, nil
}
