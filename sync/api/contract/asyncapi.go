package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"wardline/sync/api"
)

// AsyncAPI is the description of the messages of devices over MQTT. It is safe
// for use by many.
type AsyncAPI struct {
	channels map[string]string // address -> name

	mu  sync.Mutex // guards doc
	doc *document
}

// NewAsyncAPI reads /asyncapi.yaml.
func NewAsyncAPI() (*AsyncAPI, error) {
	d, err := read("asyncapi.json", api.AsyncAPI())
	if err != nil {
		return nil, err
	}
	a := &AsyncAPI{doc: d, channels: map[string]string{}}
	v, _ := d.at("/channels")
	all, _ := v.(map[string]any)
	for name, c := range all {
		m, _ := c.(map[string]any)
		address, _ := m["address"].(string)
		if address == "" {
			return nil, fmt.Errorf("contract: channel %s has no address", name)
		}
		a.channels[address] = name
	}
	return a, nil
}

// Channels are the addresses that are described, sorted.
func (a *AsyncAPI) Channels() []string {
	var out []string
	for address := range a.channels {
		out = append(out, address)
	}
	slices.Sort(out)
	return out
}

// Message holds a payload to one of the messages that its topic may carry, and
// gives that message's name.
func (a *AsyncAPI) Message(topic string, payload []byte) (string, error) {
	for address, name := range a.channels {
		if !template(address, topic) {
			continue
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		v, where := a.doc.at("/channels/" + escape(name) + "/messages")
		all, _ := v.(map[string]any)
		errs := []error{fmt.Errorf("contract: no message of %s", address)}
		for message := range all {
			_, at := a.doc.at(where + "/" + escape(message) + "/payload")
			err := a.doc.check(at, payload)
			if err == nil {
				return message, nil
			}
			errs = append(errs, fmt.Errorf("%s: %w", message, err))
		}
		return "", errors.Join(errs...)
	}
	return "", fmt.Errorf("contract: topic %s is not described", topic)
}

// References are the references of the document that lead nowhere.
func (a *AsyncAPI) References() (broken []string) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if x, _ := a.doc.at(strings.TrimPrefix(ref, "#")); x == nil {
					broken = append(broken, ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(a.doc.root)
	return broken
}

// Examples are the examples of each message, by its name.
func (a *AsyncAPI) Examples() (map[string][][]byte, error) {
	out := map[string][][]byte{}
	v, _ := a.doc.at("/components/messages")
	all, _ := v.(map[string]any)
	for name, m := range all {
		list, _ := m.(map[string]any)["examples"].([]any)
		for _, x := range list {
			b, err := json.Marshal(x.(map[string]any)["payload"])
			if err != nil {
				return nil, err
			}
			out[name] = append(out[name], b)
		}
	}
	return out, nil
}
