package contract

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"wardline/sync/api"
)

// OpenAPI is the description of the HTTP interface. It is safe for use by many.
type OpenAPI struct {
	ops, paths []string

	mu   sync.Mutex // guards below
	doc  *document
	seen map[string]bool
}

// NewOpenAPI reads /openapi.yaml; an error says that it is no valid OpenAPI document.
func NewOpenAPI() (*OpenAPI, error) {
	d, err := read("openapi.json", api.OpenAPI())
	if err != nil {
		return nil, err
	}
	parsed, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if err := parsed.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	o := &OpenAPI{doc: d, seen: map[string]bool{}}
	for path, item := range parsed.Paths.Map() {
		o.paths = append(o.paths, path)
		for method := range item.Operations() {
			o.ops = append(o.ops, method+" "+path)
		}
	}
	slices.Sort(o.paths)
	slices.Sort(o.ops)
	return o, nil
}

// Operations are all that is described, as "GET /api/v1/reports/{id}", sorted.
func (o *OpenAPI) Operations() []string { return o.ops }

// operation finds what describes a request.
func (o *OpenAPI) operation(method, path string) (string, error) {
	for _, p := range o.paths {
		if op := method + " " + p; template(p, path) && slices.Contains(o.ops, op) {
			return op, nil
		}
	}
	return "", fmt.Errorf("contract: %s %s is not described", method, path)
}

func pointerOf(op string) string {
	method, path, _ := strings.Cut(op, " ")
	return "/paths/" + escape(path) + "/" + strings.ToLower(method)
}

// Response holds an answer to its description. The status must be described by
// itself, not by `default`.
func (o *OpenAPI) Response(method, path string, status int, h http.Header, body []byte) error {
	op, err := o.operation(method, path)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	where := pointerOf(op) + "/responses/" + strconv.Itoa(status)
	v, where := o.doc.at(where)
	if v == nil {
		return fmt.Errorf("contract: %s: status %d is not described: %.300s", op, status, body)
	}
	o.seen[op+" "+strconv.Itoa(status)] = true
	content, _ := v.(map[string]any)["content"].(map[string]any)
	if len(content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("contract: %s: %d has a body and none is described", op, status)
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("contract: %s: %d: content type %q: %w", op, status, h.Get("Content-Type"), err)
	}
	media, ok := content[kind].(map[string]any)
	if !ok {
		return fmt.Errorf("contract: %s: %d is %s, which is not described", op, status, kind)
	}
	if _, ok := media["schema"]; !ok || !strings.HasSuffix(kind, "json") {
		return nil
	}
	if err := o.doc.check(where+"/content/"+escape(kind)+"/schema", body); err != nil {
		return fmt.Errorf("%s: %d: %w", op, status, err)
	}
	return nil
}

// Schema holds a JSON text to a schema of the components.
func (o *OpenAPI) Schema(name string, body []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.doc.check("/components/schemas/"+escape(name), body)
}

// Enum is the closed list of a schema of the components.
func (o *OpenAPI) Enum(name string) []string {
	v, _ := o.doc.at("/components/schemas/" + escape(name) + "/enum")
	list, _ := v.([]any)
	var out []string
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// Unseen are the described answers, as "GET /readyz 503", that no call of
// Response had, sorted.
func (o *OpenAPI) Unseen() ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, op := range o.ops {
		v, _ := o.doc.at(pointerOf(op) + "/responses")
		all, ok := v.(map[string]any)
		if !ok {
			return nil, errors.New("contract: " + op + " has no responses")
		}
		for status := range all {
			if k := op + " " + status; status != "default" && !o.seen[k] {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
