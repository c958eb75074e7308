// Command vuln looks for known vulnerabilities in what is built: in the Go code by
// govulncheck, in the screens' packages by npm audit. Where it cannot look it says so: an
// answer that was not had is not an answer that nothing was found.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tool is govulncheck at the version that this was written for.
const tool = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"

// probeTime is how long a database may take to answer at all.
const probeTime = 10 * time.Second

func main() {
	db := flag.String("db", os.Getenv("GOVULNDB"), "the database or a copy of it: an https or file `URL`; empty: the tool's own")
	known := flag.String("known", "deploy/vuln/known.txt", "the `file` of known exceptions")
	screens := flag.String("screens", "sync/screens", "the `folder` whose npm packages are looked at; empty: none")
	must := flag.Bool("must", false, "fail where it cannot be looked")
	flag.Parse()
	dirs := flag.Args()
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	r := run{out: os.Stdout, db: *db, must: *must}
	if err := r.all(*known, *screens, dirs); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

type run struct {
	out  io.Writer
	db   string
	must bool
}

// errUnseen says that something could not be looked at.
var errUnseen = errors.New("not everything could be looked at")

// errFound says that there is what nobody has excepted.
var errFound = errors.New("known vulnerabilities; take a version that mends them, or write into the file of exceptions why they cannot hurt")

func (r *run) say(format string, a ...any) { fmt.Fprintf(r.out, format+"\n", a...) }

func (r *run) all(known, screens string, dirs []string) error {
	excepted, err := readKnown(known, time.Now())
	if err != nil {
		return err
	}
	var all []error
	seen, unseen := map[string]bool{}, false
	for _, dir := range dirs {
		found, err := r.module(dir)
		if errors.Is(err, errUnseen) {
			unseen = true
			continue
		}
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(found)) {
			f := found[id]
			seen[id] = true
			switch reason, ok := excepted[id]; {
			case !f.called:
				r.say("%s: %s is in a package that is built or required, and what is vulnerable in it is not called: %s", dir, id, f.summary)
			case ok:
				r.say("%s: %s is known: %s", dir, id, reason)
			default:
				r.say("%s: %s: %s\n    called by %s", dir, id, f.summary, f.by)
				all = append(all, errFound)
			}
		}
		r.say("%s: looked at; %d found", dir, len(found))
	}
	for id := range excepted {
		if !unseen && !seen[id] {
			r.say("%s stands among the known ones and was not found; take it out", id)
		}
	}
	if screens != "" {
		err := r.npm(screens)
		unseen = unseen || errors.Is(err, errUnseen)
		if err != nil && !errors.Is(err, errUnseen) {
			all = append(all, err)
		}
	}
	if unseen && r.must {
		all = append(all, errUnseen)
	}
	return errors.Join(slices.Compact(all)...)
}

// readKnown reads the exceptions that hold at a time. One that has run out is an error.
func readKnown(file string, now time.Time) (map[string]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for i, line := range strings.Split(string(raw), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 5 { // a reason of less than three words is none
			return nil, fmt.Errorf("%s:%d: write an id, a day as 2027-03-01, and why it cannot hurt", file, i+1)
		}
		until, err := time.Parse(time.DateOnly, f[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q is no day; write it as 2027-03-01", file, i+1, f[1])
		}
		if now.After(until) {
			return nil, fmt.Errorf("%s:%d: the exception of %s ended on %s; look at it again", file, i+1, f[0], f[1])
		}
		out[f[0]] = strings.Join(f[2:], " ")
	}
	return out, nil
}

// finding is what is known of one id in one module.
type finding struct {
	called      bool
	summary, by string
}

// message is one of govulncheck's JSON messages, with what is read of it.
type message struct {
	Config *struct {
		DB string `json:"db"`
	}
	OSV *struct {
		ID, Summary string
	}
	Finding *struct {
		OSV   string
		Trace []struct{ Module, Package, Function string }
	}
}

// module runs govulncheck over a module.
func (r *run) module(dir string) (map[string]*finding, error) {
	args := []string{"run", tool, "-format", "json"}
	if r.db != "" {
		if !reachable(r.db) {
			return nil, r.noDatabase(dir, r.db)
		}
		db := r.db
		if p, ok := strings.CutPrefix(db, "file://"); ok {
			abs, err := filepath.Abs(p)
			if err != nil {
				return nil, err
			}
			db = "file://" + filepath.ToSlash(abs)
		}
		args = append(args, "-db", db)
	}
	c := exec.Command("go", append(args, "./...")...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	ended := c.Run()
	found, db, err := parse(&out)
	switch {
	case ended == nil:
		return found, err
	case db == "":
		r.say("%s: NOT LOOKED AT: %s cannot be run here (it is fetched as a Go module): %s", dir, tool, last(said.String()))
		return nil, errUnseen
	case !reachable(db):
		return nil, r.noDatabase(dir, db)
	}
	return nil, fmt.Errorf("%s: %w: %s", dir, ended, last(said.String()))
}

func (r *run) noDatabase(dir, db string) error {
	r.say("%s: NOT LOOKED AT: the database of known vulnerabilities, %s, cannot be reached from here. Name a copy: GOVULNDB=file:///DIR make vuln", dir, db)
	return errUnseen
}

// parse reads the messages; db is the database that was asked, empty if the tool never ran.
func parse(in io.Reader) (found map[string]*finding, db string, err error) {
	found = map[string]*finding{}
	summaries := map[string]string{}
	d := json.NewDecoder(bufio.NewReader(in))
	for {
		var m message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, db, err
		}
		switch {
		case m.Config != nil:
			db = m.Config.DB
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			f := found[m.Finding.OSV]
			if f == nil {
				f = &finding{}
				found[m.Finding.OSV] = f
			}
			if t := m.Finding.Trace; t[0].Function != "" { // the vulnerable symbol itself is reached
				end := t[len(t)-1]
				f.called, f.by = true, end.Package+"."+end.Function
			}
		}
	}
	for id, f := range found {
		f.summary = summaries[id]
	}
	return found, db, nil
}

// reachable says whether a database answers at all.
func reachable(db string) bool {
	if p, ok := strings.CutPrefix(db, "file://"); ok {
		_, err := os.Stat(filepath.Join(p, "index", "modules.json"))
		return err == nil
	}
	c := http.Client{Timeout: probeTime}
	a, err := c.Get(strings.TrimSuffix(db, "/") + "/index/db.json")
	if err != nil {
		return false
	}
	return a.Body.Close() == nil && a.StatusCode == http.StatusOK
}

// npm runs npm audit over the screens' packages.
func (r *run) npm(dir string) error {
	c := exec.Command("npm", "audit", "--json")
	c.Dir = dir
	raw, ended := c.Output() // it ends with an error when it found something
	var a struct {
		Metadata *struct {
			Vulnerabilities map[string]int `json:"vulnerabilities"`
		} `json:"metadata"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || a.Metadata == nil {
		why := a.Message
		if why == "" && ended != nil {
			why = ended.Error()
		}
		r.say("%s: NOT LOOKED AT: npm audit gives no answer here: %s", dir, last(why))
		return errUnseen
	}
	n := a.Metadata.Vulnerabilities
	r.say("%s: looked at; critical %d, high %d, moderate %d, low %d", dir, n["critical"], n["high"], n["moderate"], n["low"])
	if n["critical"]+n["high"] > 0 {
		return errFound
	}
	return nil
}

func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[max(0, len(lines)-2)]
}
