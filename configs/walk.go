package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// What a node is, in the words of an error.
const (
	aText    = "text"
	aNumber  = "a whole number"
	aBool    = "true or false"
	aList    = "a list"
	aSection = "a section of keys"
	aNothing = "nothing"
	aRest    = "something that is not read here"
)

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return aText
	case *ast.IntegerNode:
		return aNumber
	case *ast.BoolNode:
		return aBool
	case ast.ArrayNode:
		return aList
	case ast.MapNode:
		return aSection
	case *ast.NullNode:
		return aNothing
	}
	return aRest // an anchor, alias or tag; a number with a fraction, infinity
}

func isNull(n ast.Node) bool { return kindOf(n) == aNothing }

// placeholder stands in a sample where there is no right answer for everybody.
const placeholder = "CHANGE-ME"

// walk fills a struct from the nodes and notes what is wrong.
type walk struct{ lines []Line }

func (w *walk) bad(n ast.Node, path, do, wrong string, a ...any) {
	w.lines = append(w.lines, Line{lineOf(n), Fault{path, fmt.Sprintf(wrong, a...), do}})
}

// covers says whether something was said already of a field or of what holds it.
func (w *walk) covers(field string) bool {
	return field != "" && slices.ContainsFunc(w.lines, func(l Line) bool {
		rest, ok := strings.CutPrefix(field, l.Field)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func (w *walk) value(n ast.Node, into reflect.Value, path string) {
	if isNull(n) {
		return // as if it were left out
	}
	is := kindOf(n)
	if is == aRest {
		switch n.(type) {
		case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
			w.bad(n, path, "write the value out", "anchors, aliases and tags are not read here")
			return
		}
	}
	wrong := func(want string) { w.bad(n, path, "write "+want, "is %s", is) }
	switch into.Kind() {
	case reflect.String:
		// A ward's code is digits, which YAML calls a number; its text is what counts.
		if is != aText && is != aNumber {
			wrong(aText)
			return
		}
		if into.SetString(textOf(n)); strings.Contains(into.String(), placeholder) {
			w.bad(n, path, "fill it in", "stands as in the sample, %s", placeholder)
		}
	case reflect.Int, reflect.Int64:
		if is != aNumber {
			wrong(aNumber)
			return
		}
		v, err := strconv.ParseInt(textOf(n), 0, 64)
		if err != nil || into.OverflowInt(v) {
			w.bad(n, path, "write a smaller one, in plain digits", "is no number that fits")
			return
		}
		into.SetInt(v)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			wrong(aBool)
			return
		}
		into.SetBool(b.Value)
	case reflect.Slice:
		w.list(n, into, path, wrong)
	case reflect.Struct:
		if m, ok := n.(ast.MapNode); ok {
			w.section(m, into, path)
			return
		}
		wrong(aSection)
	default:
		w.bad(n, path, "report this", "this program cannot read its own field of type %s", into.Type())
	}
}

func textOf(n ast.Node) string {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value
	case *ast.LiteralNode:
		return x.Value.Value
	}
	return n.GetToken().Value
}

func (w *walk) list(n ast.Node, into reflect.Value, path string, wrong func(string)) {
	a, ok := n.(ast.ArrayNode)
	if !ok {
		wrong(aList)
		return
	}
	into.SetZero()
	for i, it := 0, a.ArrayRange(); it.Next(); i++ {
		x := reflect.New(into.Type().Elem()).Elem()
		w.value(it.Value(), x, fmt.Sprintf("%s[%d]", path, i))
		into.Set(reflect.Append(into, x))
	}
}

func (w *walk) section(m ast.MapNode, into reflect.Value, path string) {
	keys := keysOf(into.Type())
	first := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		key, at := textOf(it.Key()), join(path, clip(textOf(it.Key())))
		i, known := keys[key]
		line, twice := first[key]
		switch {
		case !known:
			w.bad(it.Key(), at, advice(key, keys), "is no key of this section")
			continue
		case twice:
			w.bad(it.Key(), at, "keep one of them", "stands in line %d already", line)
			continue
		}
		first[key] = lineOf(it.Key())
		w.value(it.Value(), into.Field(i), at)
	}
}

// keysOf are the keys of a section: the names in the yaml tags.
func keysOf(t reflect.Type) map[string]int {
	out := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			out[name] = i
		}
	}
	return out
}

// maxKey bounds what is repeated of an unknown key, in bytes.
const maxKey = 40

func clip(key string) string {
	if len(key) > maxKey {
		key = key[:maxKey] + "…"
	}
	if q := strconv.Quote(key); q != `"`+key+`"` {
		return q
	}
	return key
}

// advice names the key that was probably meant, or all of them.
func advice(key string, keys map[string]int) string {
	best, at := 3, ""
	var all []string
	for k := range keys {
		all = append(all, k)
		if d := distance(key, k); d < best || d == best && at > k {
			best, at = d, k
		}
	}
	if at != "" {
		return "write " + at + ", or take it out"
	}
	slices.Sort(all)
	return "take it out; the keys are " + strings.Join(all, ", ")
}

// distance is how many letters have to be changed, added or taken out (Levenshtein);
// of long texts it is only said that it is large.
func distance(a, b string) int {
	if len(a) > maxKey {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := corner
			if a[i] != b[j] {
				same++
			}
			corner = row[j+1]
			row[j+1] = min(same, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// lineOf is where a node begins.
func lineOf(n ast.Node) int {
	switch x := n.(type) {
	case *ast.MappingNode:
		if !x.IsFlowStyle && len(x.Values) > 0 {
			return lineOf(x.Values[0])
		}
	case *ast.MappingValueNode:
		return lineOf(x.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return max(t.Position.Line, 1)
	}
	return 1
}

// line is where a field stands, or the nearest of what should hold it.
func (f *File) line(field string) int {
	line, n := 1, f.root
	for n != nil && field != "" {
		var step string
		var at int
		step, field = cutStep(field)
		if n, at = find(n, step); n != nil {
			line = at
		}
	}
	return line
}

// cutStep takes the first step off a path: a[1].b is a, [1], b.
func cutStep(field string) (step, rest string) {
	i := strings.IndexAny(field[1:], ".[") + 1
	if i == 0 {
		return field, ""
	}
	return field[:i], strings.TrimPrefix(field[i:], ".")
}

// find takes one step down, and says in which line it stands; nil when it is not there.
func find(n ast.Node, step string) (ast.Node, int) {
	if i, err := strconv.Atoi(strings.Trim(step, "[]")); err == nil && step[0] == '[' {
		if a, ok := n.(ast.ArrayNode); ok {
			for it := a.ArrayRange(); it.Next(); i-- {
				if i == 0 {
					return it.Value(), lineOf(it.Value())
				}
			}
		}
		return nil, 0
	}
	if m, ok := n.(ast.MapNode); ok {
		for it := m.MapRange(); it.Next(); {
			if textOf(it.Key()) == step {
				return it.Value(), lineOf(it.Key())
			}
		}
	}
	return nil, 0
}

// syntax says where text is no YAML. What the parser quotes is left out: it may be
// a piece of a password.
func syntax(path string, err error) error {
	var y yaml.Error
	line, what := 1, "this cannot be read"
	if errors.As(err, &y) {
		if t := y.GetToken(); t != nil && t.Position != nil {
			line = max(t.Position.Line, 1)
		}
		what = y.GetMessage()
	}
	if a, b := strings.IndexByte(what, '"'), strings.LastIndexByte(what, '"'); a >= 0 {
		what = what[:a] + "…" + what[b+1:]
	}
	return oneFault(path, line, Fault{Wrong: "no YAML: " + what, Do: "look at the indentation and the quotes of this line and the one before; a password goes into quotes, or best into a file of its own"})
}
