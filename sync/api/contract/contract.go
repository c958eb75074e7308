// Package contract holds what servers and devices say to their descriptions,
// /openapi.yaml and /asyncapi.yaml. Only tests import it: it is in no program.
package contract

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// document is a description, with the schemas in it compiled as they are asked for.
type document struct {
	name     string
	root     any
	compiler *jsonschema.Compiler
}

func read(name string, raw []byte) (*document, error) {
	b, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("contract: %s: %w", name, err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("contract: %s: %w", name, err)
	}
	d := &document{name: name, root: root, compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	return d, d.compiler.AddResource(name, root)
}

// at gives the value at a JSON pointer (RFC 6901) and the pointer at which it
// stands after references were followed; nil when there is none.
func (d *document) at(pointer string) (any, string) {
	v, here := d.root, ""
	for _, part := range strings.Split(pointer, "/")[1:] {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, ""
		}
		v, here = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)], here+"/"+part
		if m, ok := v.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				v, here = d.at(strings.TrimPrefix(ref, "#"))
			}
		}
	}
	return v, here
}

// escape writes a member's name as a part of a JSON pointer.
func escape(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// check holds a JSON text to the schema at a pointer.
func (d *document) check(pointer string, payload []byte) error {
	s, err := d.compiler.Compile(d.name + "#" + pointer)
	if err != nil {
		return fmt.Errorf("contract: %s: %w", d.name, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("contract: not JSON: %w: %.200s", err, payload)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("contract: %w in %.2000s", err, payload)
	}
	return nil
}

// template says whether a path fits a template with parts in braces.
func template(tmpl, path string) bool {
	a, b := strings.Split(tmpl, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !(strings.HasPrefix(a[i], "{") && b[i] != "") {
			return false
		}
	}
	return true
}
