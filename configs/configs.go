// Package configs reads configuration files strictly, YAML or JSON (JSON is
// YAML). Everything that is wrong is said at once, each with file, line, field
// and what to do: an unknown key, a wrong type, a key that stands twice, and what
// the configuration itself finds wrong.
//
// No value of the file stands in what it says, except where a configuration's
// Validate repeats one that is no secret: errors end in journals, and passwords
// stand in these files.
package configs

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a file.
const (
	// maxFile bounds a file, in bytes: some thousands of devices.
	maxFile = 1 << 20
	// maxFaults bounds what is said of one file.
	maxFaults = 50
	// maxNested bounds brackets within brackets, and lists that begin in one line,
	// and maxIndent the spaces before a line: ours are four deep, and the parser's work
	// grows with the square.
	maxNested = 50
	maxIndent = 200
	// maxKeys bounds the keys of one section: ours have some dozens, and the parser's
	// work grows with the square of these as well.
	maxKeys = 1000
)

// Validator is a configuration that can say what is wrong with it, with [Faults].
type Validator interface{ Validate() error }

// Loader is a configuration that names further files. Load reads them, after
// Validate; it says what is wrong as Validate does.
type Loader interface{ Load() error }

// Error is what is wrong with a file.
type Error struct {
	Path  string
	Lines []Line
	more  int
}

// Line is one fault at its line, from 1; where something is missing, at the line
// of what it is missing from.
type Line struct {
	Line int
	Fault
}

// Error is one line for each fault: FILE:LINE: FIELD: what is wrong (what to do).
func (e *Error) Error() string {
	var b strings.Builder
	for i, l := range e.Lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d: %s", e.Path, l.Line, l.Fault.Error())
	}
	if e.more > 0 {
		fmt.Fprintf(&b, "\n%s: %d more", e.Path, e.more)
	}
	return b.String()
}

// Read reads a file into the caller's struct, validates it and loads what it names.
func Read(path string, into Validator) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	return f.Into(into)
}

// Decode reads YAML into the caller's struct as [Read] does; path stands in errors.
func Decode(path string, raw []byte, into Validator) error {
	f, err := Parse(path, raw)
	if err != nil {
		return err
	}
	return f.Into(into)
}

// File is a file whose YAML was understood.
type File struct {
	path string
	root ast.Node // nil when there is nothing in it
}

// Open reads a file.
func Open(path string) (*File, error) {
	st, err := os.Stat(path)
	if err == nil && st.Size() > maxFile {
		return nil, tooLarge(path, st.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, raw)
}

func tooLarge(path string, n int64) error {
	return oneFault(path, 1, Fault{Wrong: fmt.Sprintf("the file has %d bytes", n), Do: fmt.Sprintf("at most %d are read", maxFile)})
}

func oneFault(path string, line int, f Fault) error {
	return &Error{Path: path, Lines: []Line{{line, f}}}
}

// Parse takes a file's bytes.
func Parse(path string, raw []byte) (*File, error) {
	if len(raw) > maxFile {
		return nil, tooLarge(path, int64(len(raw)))
	}
	if line := tooDeep(raw); line > 0 {
		return nil, oneFault(path, line, Fault{Wrong: "is nested too deep", Do: "look for an opening bracket, a dash or spaces too many"})
	}
	if line := tooMany(raw); line > 0 {
		return nil, oneFault(path, line, Fault{Wrong: fmt.Sprintf("is key number %d of one section", maxKeys+1), Do: "look whether this is the right file; what there is much of stands in lists, with a dash before each"})
	}
	// Keys that stand twice are found by the walk, which names their path.
	tree, err := parser.ParseBytes(raw, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntax(path, err)
	}
	f := &File{path: path}
	for _, d := range tree.Docs {
		switch {
		case d.Body == nil || isNull(d.Body):
		case f.root != nil:
			return nil, oneFault(path, lineOf(d.Body), Fault{Wrong: "a second document begins here", Do: "keep one, without --- in the middle"})
		default:
			f.root = d.Body
		}
	}
	return f, nil
}

// tooDeep is the line where a file nests deeper than any of ours; 0 when none does.
// Brackets in quotes count as well: they balance, or are few.
func tooDeep(raw []byte) int {
	open, line := 0, 0
	for text := range bytes.Lines(raw) {
		line++
		for _, c := range text {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
			if open > maxNested {
				return line
			}
		}
		rest := bytes.TrimLeft(text, " ")
		if len(text)-len(rest) > maxIndent || len(rest)-len(bytes.TrimLeft(rest, "- \t?")) > 2*maxNested {
			return line
		}
	}
	return 0
}

// tooMany is the line where a section has more keys than any of ours; 0 when none does.
// Colons in texts count as well: they are few.
func tooMany(raw []byte) int {
	var block [maxIndent + 1]int // keys since the section began, by column
	var flow [maxNested + 1]int  // by depth of brackets
	open, line := 0, 0
	for text := range bytes.Lines(raw) {
		line++
		inFlow := open > 0
		for _, c := range text {
			switch c {
			case '[', '{':
				open = min(open+1, maxNested)
				flow[open] = 0
			case ']', '}':
				open = max(open-1, 0)
			case ':':
				if flow[open]++; open > 0 && flow[open] > maxKeys {
					return line
				}
			}
		}
		at := min(len(text)-len(bytes.TrimLeft(text, " ")), maxIndent)
		switch rest := text[at:]; {
		case inFlow || len(bytes.TrimSpace(rest)) == 0 || rest[0] == '#':
			continue
		case rest[0] == '-': // a section of its own begins
			clear(block[at+1:])
			continue
		}
		clear(block[at+1:])
		if block[at]++; block[at] > maxKeys {
			return line
		}
	}
	return 0
}

// Text is a text at the top of the file; empty when it is not there.
func (f *File) Text(key string) string {
	n, _ := find(f.root, key)
	if n == nil || kindOf(n) != aText {
		return ""
	}
	return textOf(n)
}

// Fault is an error about a field of this file, at its line.
func (f *File) Fault(field, wrong, do string) error {
	return oneFault(f.path, f.line(field), Fault{field, wrong, do})
}

// Into fills the caller's struct, validates it and loads what it names.
func (f *File) Into(into Validator) error {
	w := walk{}
	if f.root != nil {
		w.value(f.root, reflect.ValueOf(into).Elem(), "")
	}
	for _, x := range flatten(into.Validate()) {
		if !w.covers(x.Field) {
			w.lines = append(w.lines, Line{f.line(x.Field), *x})
		}
	}
	if l, ok := into.(Loader); ok && len(w.lines) == 0 {
		for _, x := range flatten(l.Load()) {
			w.lines = append(w.lines, Line{f.line(x.Field), *x})
		}
	}
	if len(w.lines) == 0 {
		return nil
	}
	slices.SortStableFunc(w.lines, func(a, b Line) int { return cmp.Compare(a.Line, b.Line) })
	shown := min(len(w.lines), maxFaults)
	return &Error{Path: f.path, Lines: w.lines[:shown], more: len(w.lines) - shown}
}

//go:embed core.yaml edge.yaml
var samples embed.FS

// Roles are those that have a sample.
var Roles = []string{"core", "edge"}

// Sample is a documented configuration of a role.
func Sample(role string) ([]byte, error) {
	if !slices.Contains(Roles, role) {
		return nil, fmt.Errorf("there is no role %q; name one of %s", role, strings.Join(Roles, ", "))
	}
	return fs.ReadFile(samples, role+".yaml")
}
