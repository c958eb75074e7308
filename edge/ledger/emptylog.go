package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The store's value log stays empty: every value is below the threshold (batch.set holds
// them to it). Badger (v4.9.6, valueLog.write) syncs its file at each commit all the same, and a sync
// of an unchanged file still flushes the disk: two flushes a commit, one of them for nothing, a
// quarter of the time that a report waits. So the empty file lies in memory where there is a file system for
// that; otherwise beside the tables.
const (
	memoryDir    = "/dev/shm"
	emptyLogName = "wardline-emptylog-"
)

// emptyLog makes a directory for the value log, and removes those of processes that were killed.
// It is "" when there is no file system in memory to write to.
func emptyLog() string {
	var s unix.Statfs_t
	if err := unix.Statfs(memoryDir, &s); err != nil || s.Type != unix.TMPFS_MAGIC {
		return ""
	}
	old, _ := filepath.Glob(filepath.Join(memoryDir, emptyLogName+"*")) // the pattern is well-formed
	for _, dir := range old {
		pid := 0
		if _, err := fmt.Sscanf(strings.TrimPrefix(filepath.Base(dir), emptyLogName), "%d-", &pid); err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = os.RemoveAll(dir) // nothing is in it; another user's stays
		}
	}
	dir, err := os.MkdirTemp(memoryDir, fmt.Sprintf("%s%d-*", emptyLogName, os.Getpid()))
	if err != nil {
		return ""
	}
	return dir
}

// dropEmptyLog removes the directory again.
func dropEmptyLog(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
