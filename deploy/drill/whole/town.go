package whole

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"wardline/deploy/city"
)

const station = "ward-" + string(city.Ward)

// cityFile is what city.json says.
type cityFile struct {
	Command struct{ URL string }
	Core    []struct{ ID, URL string }
	Station []struct {
		URL, MQTT string
		Panels    []struct{ Device, Protocol, Port string }
	} `json:"stations"`
	Officers []struct{ User, Password, Role string }
	Devices  []struct{ ID, Password, Ward string }
}

// town is the running city as its drill master sees it.
type town struct {
	o    Options
	dir  string // of the city
	file cityFile
	cmd  *exec.Cmd
	gone chan error
	wire bool // the lines between core nodes can be cut

	mu    sync.Mutex // guards all below
	began time.Time
	story []string
	// hurt is how many faults the station itself has now, healed when the last one ended.
	hurt   int
	healed time.Time
}

// startLimit is how long a city may take to stand, on a machine with more to do.
const startLimit = 3 * time.Minute

// devices is how many phones there are.
const devices = 8

func (w *town) start(ctx context.Context) error {
	out, err := os.OpenFile(filepath.Join(w.o.Dir, "city.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the city has its own
	if err := os.MkdirAll(w.clocks(), 0o700); err != nil {
		return err
	}
	// What an earlier run wrote holds no longer.
	if err := os.Remove(filepath.Join(w.dir, "city.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	cmd := exec.Command(w.o.Binary, "city", "--data", w.dir, "--command", "127.0.0.1:0", "--station", "127.0.0.1:0", "--mqtt", "127.0.0.1:0",
		"--devices", strconv.Itoa(devices), "--wires="+strconv.FormatBool(w.wire))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), clocksVariable+"="+w.clocks())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	gone := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { gone <- cmd.Wait() }()
	w.cmd, w.gone = cmd, gone
	for end := time.Now().Add(startLimit); ; {
		raw, err := os.ReadFile(filepath.Join(w.dir, "city.json"))
		if err == nil && json.Unmarshal(raw, &w.file) == nil {
			return nil
		}
		if time.Now().After(end) || !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("the city does not stand after %v", startLimit)
		}
		select {
		case err := <-gone:
			gone <- err
			return fmt.Errorf("the city ended: %v", err)
		default:
		}
	}
}

// end stops the city in order, or kills it.
func (w *town) end() {
	if w.cmd == nil {
		return
	}
	for _, name := range w.names() {
		_ = w.signal(name, syscall.SIGCONT) // it may have ended
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-w.gone:
	case <-time.After(40 * time.Second):
		_ = w.cmd.Process.Kill() // it had its time
		<-w.gone
	}
	w.cmd = nil
}

// names are those of the city's processes.
func (w *town) names() []string { return []string{station, "core-1", "core-2", "core-3"} }

// pid finds a process of the city among the children of its parent; 0 when
// it does not run now. city.json may be older than the last restart.
func (w *town) pid(name string) int {
	parent := strconv.Itoa(w.cmd.Process.Pid)
	tasks, err := filepath.Glob("/proc/" + parent + "/task/*/children")
	if err != nil {
		return 0
	}
	for _, t := range tasks {
		raw, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(raw)) {
			args, err := os.ReadFile("/proc/" + f + "/cmdline")
			if err != nil || !bytes.Contains(args, []byte("/conf/"+name+".json\x00")) {
				continue
			}
			if pid, err := strconv.Atoi(f); err == nil {
				return pid
			}
		}
	}
	return 0
}

func (w *town) signal(name string, s syscall.Signal) error {
	pid := w.pid(name)
	if pid == 0 {
		return os.ErrProcessDone
	}
	return syscall.Kill(pid, s)
}

// control commands the city as `wardline city` does.
func (w *town) control(command string, args url.Values) {
	if err := city.Control(w.dir, command, args); err != nil {
		w.note("%s %v: %v", command, args, err)
	}
}

// command has a process killed or started by its parent.
func (w *town) command(what, name string) { w.control(what, url.Values{"name": {name}}) }

// urlOf is where a process answers.
func (w *town) urlOf(name string) string {
	for _, c := range w.file.Core {
		if c.ID == name {
			return c.URL
		}
	}
	return w.file.Station[0].URL
}

var leads = regexp.MustCompile(`(?m)^wardline_core_leader 1$`)

// leader is the core node that says it leads, but for some; empty when none does.
func (w *town) leader(ctx context.Context, but ...string) string {
	for _, c := range w.file.Core {
		if slices.Contains(but, c.ID) {
			continue
		}
		x := w.officer(c.URL, "administrator")
		x.http.Timeout = 2 * time.Second
		if status, raw, err := x.asks(ctx, "/metrics"); err == nil && status == 200 && leads.Match(raw) {
			return c.ID
		}
	}
	return ""
}

// note adds a line to the story.
func (w *town) note(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf("%7.2fs ", time.Since(w.began).Seconds()) + fmt.Sprintf(format, a...)
	w.story = append(w.story, line)
	fmt.Fprintln(w.o.Out, line)
}

// wound says that a fault of the station itself begins, heal that it has ended.
func (w *town) wound() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurt++
}

func (w *town) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurt--
	w.healed = time.Now()
}

// sound says whether the station had no fault of its own since t.
func (w *town) sound(t time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hurt == 0 && w.healed.Before(t)
}

// woundUntilReady begins a fault of the station that ends when it answers
// again.
func (w *town) woundUntilReady(ctx context.Context) {
	w.wound()
	go func() {
		defer w.heal()
		w.ready(ctx, w.file.Station[0].URL)
	}()
}

// ready waits until an address says that it is; false when ctx has ended before.
func (w *town) ready(ctx context.Context, base string) bool {
	c := newClient(base, "", "", true)
	c.http.Timeout = time.Second
	for pause(ctx, 100*time.Millisecond) {
		if s, _, err := c.exchange(ctx, "GET", "/readyz", nil); err == nil && s == 200 {
			return true
		}
	}
	return false
}

// officer is a client in the name of the first officer of a role.
func (w *town) officer(base, role string) *client {
	i := slices.IndexFunc(w.file.Officers, func(o struct{ User, Password, Role string }) bool { return o.Role == role })
	o := w.file.Officers[i]
	return newClient(base, o.User, o.Password, false)
}
