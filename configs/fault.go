package configs

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Field is the path of what is wrong, as panels[1].baud; empty for the whole.
	Field string
	// Wrong says what is wrong and Do what to do about it. Neither holds a secret.
	Wrong, Do string
}

// Error is "FIELD: what is wrong (what to do)".
func (f *Fault) Error() string {
	s := f.Wrong
	if f.Field != "" {
		s = f.Field + ": " + s
	}
	if f.Do != "" {
		s += " (" + f.Do + ")"
	}
	return s
}

// Fault makes a Fault one of the errors that [Faults.Under] can move.
func (f *Fault) Fault() (field, wrong, do string) { return f.Field, f.Wrong, f.Do }

// faulty is an error that names a field. Packages that do not import this one
// give their errors such a method.
type faulty interface {
	Fault() (field, wrong, do string)
}

// Faults collects what is wrong. The zero value is ready.
type Faults struct{ list []error }

// Add says that a field is wrong: how, and what to do about it.
func (f *Faults) Add(field, do, wrong string, a ...any) {
	f.list = append(f.list, &Fault{Field: field, Wrong: fmt.Sprintf(wrong, a...), Do: do})
}

// Under takes what is wrong with a part that stands at a path.
func (f *Faults) Under(path string, err error) {
	for _, x := range flatten(err) {
		f.list = append(f.list, &Fault{Field: join(path, x.Field), Wrong: x.Wrong, Do: x.Do})
	}
}

// Err is all of it, or nil.
func (f *Faults) Err() error { return errors.Join(f.list...) }

// Empty says that a text is needed where there is none.
func (f *Faults) Empty(field, v, do string) {
	if v == "" {
		f.Add(field, do, "is missing")
	}
}

// Port says which ports an address may have.
type Port int

const (
	// AnyPort: 0 takes a free one; the address is listened on and told to nobody.
	AnyPort Port = iota
	// FixedPort: others are told the port, so it is not 0.
	FixedPort
	// Reachable: others connect to the address as it stands, so its host is that
	// of one machine as well.
	Reachable
)

// Address holds host:port to what it is for.
func (f *Faults) Address(field, v string, p Port) {
	example := "write host:port, for example 127.0.0.1:8801"
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		if v == "" {
			f.Add(field, example, "is missing")
		} else {
			f.Add(field, example, "%q is no address", v)
		}
		return
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch ip := net.ParseIP(host); {
	case err != nil:
		f.Add(field, "write a number from 0 to 65535", "%q has no port that could be listened on", v)
	case strings.ContainsAny(host, " \t/@"):
		f.Add(field, example, "%q has no host before its port", v)
	case n == 0 && p != AnyPort:
		f.Add(field, "write the port itself: others are told this address", "%q has port 0", v)
	case p == Reachable && (host == "" || ip != nil && ip.IsUnspecified()):
		f.Add(field, "write the host under which the other machines reach it", "%q names no machine", v)
	}
}

// flatten takes joined errors apart.
func flatten(err error) []*Fault {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*Fault
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	var x faulty
	if !errors.As(err, &x) {
		return []*Fault{{Wrong: err.Error()}}
	}
	field, wrong, do := x.Fault()
	return []*Fault{{field, wrong, do}}
}

func join(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}
