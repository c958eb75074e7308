package ledger

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"wardline/sync/record"
)

// TestMain lets the test binary be its own victim: with VICTIM set it appends
// and says each acknowledged id until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WARDLINE_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

func victim(dir string) {
	o := Default(dir, origin)
	o.Log, o.Ballast = quiet(), 1<<20
	l, err := Open(o)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	go func() { _ = l.Run(context.Background()) }()
	slots := make(chan struct{}, 64)
	from, _ := strconv.Atoi(os.Getenv("WARDLINE_FROM"))
	said := make(chan int, 1024)
	go func() {
		for i := range said {
			fmt.Println("ack", i)
		}
	}()
	for i := from; ; i++ {
		slots <- struct{}{}
		lane := record.Urgent
		if i%3 == 0 {
			lane = record.Routine
		}
		l.Submit(Append{Lane: lane, Body: reportBody(l, reportID(i)), Once: &Once{ID: reportID(i), Fingerprint: record.Hash{1}}}, func(_ Result, err error) {
			if err == nil {
				said <- i
			}
			<-slots
		})
	}
}

func TestLedger_KilledAtRandom_EveryAcknowledgedEntryIsThere(t *testing.T) {
	rounds := 10
	if os.Getenv("WARDLINE_LONG") != "" {
		rounds = 200
	}
	dir := t.TempDir()
	r := rand.New(rand.NewSource(time.Now().UnixNano()))
	acked := map[int]bool{}
	next := 0
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "WARDLINE_VICTIM="+dir, fmt.Sprintf("WARDLINE_FROM=%d", next))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(out)
		die := 1 + r.Intn(2000)
		seen := 0
		for s.Scan() {
			var n int
			if _, err := fmt.Sscanf(s.Text(), "ack %d", &n); err != nil {
				t.Fatalf("round %d: %s", round, s.Text())
			}
			acked[n] = true
			next = max(next, n+1)
			if seen++; seen == die {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		next += 100    // those under way when it died
	}
	l := mustOpen(t, dir)
	checkChains(t, l.Ledger)
	if cuts := l.Found().Cuts; len(cuts) != 0 {
		t.Fatalf("a cut tail was named: %+v", cuts)
	}
	for n := range acked {
		if _, ok, err := l.Once(reportID(n)); err != nil || !ok {
			t.Fatalf("acknowledged report %d is not there: %v", n, err)
		}
	}
	t.Logf("%d kills, %d acknowledged", rounds, len(acked))
}

// A bit that flips in the memtable's file makes Badger drop what stands behind
// it without a word; the side file names the cut.
func TestLedger_FlippedBitInTheMemtable_IsNamed(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 300 {
		mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
	}
	if err := l.writeHeads(); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "d") // as the disk stood, without a clean end
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l.stop()
	mems, err := filepath.Glob(filepath.Join(image, "ledger", "*.mem"))
	if err != nil || len(mems) == 0 {
		t.Fatal("no memtable file", err)
	}
	f, err := os.OpenFile(mems[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], 40_000); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b[:], 40_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, image)
	cuts := l.Found().Cuts
	if len(cuts) != 1 || cuts[0].Had != 300 || cuts[0].Have >= 300 {
		t.Fatalf("the cut was not named: %+v", cuts)
	}
	checkChains(t, l.Ledger)
	r := mustSubmit(t, l.Ledger, record.Urgent, reportID(1000))
	if r.Link.Pred.Seq != cuts[0].Have {
		t.Fatalf("the new incarnation names %d as last, the disk has %d", r.Link.Pred.Seq, cuts[0].Have)
	}
}

// The store's value log lies in memory while the ledger is open, stays empty, and leaves nothing behind; what a killed
// process left is removed by the next one.
func TestLedger_EmptyLog_LeavesNothingInMemory(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	if l.emptyLog == "" {
		t.Skip("no file system in memory here")
	}
	for i := range 50 {
		mustSubmit(t, l.Ledger, record.Urgent, reportID(i))
	}
	logs, err := filepath.Glob(filepath.Join(l.emptyLog, "*.vlog"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	if raw, err := os.ReadFile(logs[0]); err != nil || len(bytes.TrimRight(raw[20:], "\x00")) != 0 { // behind its header
		t.Fatalf("something stands in the value log, %v", err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(memoryDir, fmt.Sprintf("%s%d-left", emptyLogName, dead.Process.Pid))
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, t.TempDir())
	for _, dir := range []string{left, l.emptyLog} {
		if dir == l.emptyLog {
			l.stop()
		}
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Fatalf("%s is still there: %v", dir, err)
		}
	}
}
