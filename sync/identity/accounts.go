package identity

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"wardline/sync/record"
)

// OfficerAccount is an officer with a password, as a configuration names them.
type OfficerAccount struct {
	User     string `json:"user" yaml:"user"`
	Password string `json:"password,omitempty" yaml:"password"`
	// PasswordFile holds the password instead, in its first and only line.
	PasswordFile string        `json:"password_file,omitempty" yaml:"password_file"`
	Role         Role          `json:"role" yaml:"role"`
	Unit         record.UnitID `json:"unit" yaml:"unit"`
}

// DeviceAccount is a sender with a password, as a configuration names it.
type DeviceAccount struct {
	ID       string `json:"id" yaml:"id"`
	Password string `json:"password,omitempty" yaml:"password"`
	// PasswordFile holds the password instead, in its first and only line.
	PasswordFile string          `json:"password_file,omitempty" yaml:"password_file"`
	Ward         record.WardCode `json:"ward" yaml:"ward"`
	Kind         string          `json:"kind" yaml:"kind"`
}

// maxSecretFile bounds a password file, in bytes.
const maxSecretFile = 4 << 10

// fault is what is wrong with one field of an account, or of a list of them.
type fault struct{ field, wrong, do string }

func (f *fault) Error() string { return f.field + ": " + f.wrong + " (" + f.do + ")" }

// Fault names the field by its path.
func (f *fault) Fault() (field, wrong, do string) { return f.field, f.wrong, f.do }

type faults []error

func (f *faults) add(field, do, wrong string, a ...any) {
	*f = append(*f, &fault{field, fmt.Sprintf(wrong, a...), do})
}

// secret holds a password to its form; it is never repeated.
func (f *faults) secret(password, file string) {
	const generate = "use a random one of at least %d characters, for example from: openssl rand -base64 18"
	switch {
	case password != "" && file != "":
		f.add("password", "keep one, best password_file", "stands beside password_file")
	case password == "" && file == "":
		f.add("password_file", "name a file that holds a random password of at least "+fmt.Sprint(MinSecret)+" characters, for example from: openssl rand -base64 18", "is missing")
	case password != "" && len(password) < MinSecret:
		f.add("password", fmt.Sprintf(generate, MinSecret), "has %d characters", len(password))
	}
}

// Validate names every field that is wrong.
func (o OfficerAccount) Validate() error {
	var f faults
	if o.User == "" {
		f.add("user", "name the officer's account", "is missing")
	}
	if o.Unit == "" {
		f.add("unit", "write command, a department such as PC07, or ward/ and the ward's code", "is missing")
	}
	if !slices.Contains(Roles, o.Role) {
		f.add("role", fmt.Sprintf("use one of %v", Roles), "%q is no role", o.Role)
	}
	f.secret(o.Password, o.PasswordFile)
	return errors.Join(f...)
}

// ValidDeviceID says whether an id can stand in topics and logs.
func ValidDeviceID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return id != "" && len(id) <= MaxDeviceID
}

// Validate names every field that is wrong.
func (d DeviceAccount) Validate() error {
	var f faults
	if !ValidDeviceID(d.ID) {
		f.add("id", fmt.Sprintf("use 1 to %d letters, digits, '-', '_' and '.': it stands in topics and logs", MaxDeviceID), "%q is no id", d.ID)
	}
	if !d.Ward.Valid() {
		f.add("ward", "write five digits, for example 26704", "%q is no ward's code", d.Ward)
	}
	f.secret(d.Password, d.PasswordFile)
	return errors.Join(f...)
}

// CheckAccounts names every field of officers and devices that is wrong, by its
// path, as devices[3].ward. It reads no file.
func CheckAccounts(officers []OfficerAccount, devices []DeviceAccount) error {
	var all faults
	under := func(list string, i int, err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				var x *fault
				if errors.As(e, &x) {
					all = append(all, &fault{fmt.Sprintf("%s[%d].%s", list, i, x.field), x.wrong, x.do})
				}
			}
		}
	}
	users, ids := map[string]int{}, map[string]int{}
	twice := func(seen map[string]int, list, key, name string, i int) {
		if at, had := seen[name]; had && name != "" {
			all.add(fmt.Sprintf("%s[%d].%s", list, i, key), "give each a name of its own", "is %q, which %s[%d] has", name, list, at)
			return
		}
		seen[name] = i
	}
	for i, o := range officers {
		under("officers", i, o.Validate())
		twice(users, "officers", "user", o.User, i)
	}
	for i, d := range devices {
		under("devices", i, d.Validate())
		twice(ids, "devices", "id", d.ID, i)
	}
	return errors.Join(all...)
}

// FromAccounts is the directory of these officers and devices; password files are
// read now. Errors are as those of [CheckAccounts].
func FromAccounts(officers []OfficerAccount, devices []DeviceAccount) (*Directory, error) {
	if err := CheckAccounts(officers, devices); err != nil {
		return nil, err
	}
	d := NewDirectory()
	var f faults
	password := func(list string, i int, given, file string) string {
		if file == "" {
			return given
		}
		p, err := readSecret(file)
		at := fmt.Sprintf("%s[%d].password_file", list, i)
		switch {
		case err != nil:
			f.add(at, "make the file, readable by the account that runs this", "%v", err)
		case len(p) < MinSecret:
			f.add(at, fmt.Sprintf("write a random password of at least %d characters into it", MinSecret), "%s holds %d characters", file, len(p))
		default:
			return p
		}
		return ""
	}
	for i, o := range officers {
		if p := password("officers", i, o.Password, o.PasswordFile); p != "" {
			if err := d.AddOfficer(Officer{User: o.User, Role: o.Role, Unit: o.Unit}, p); err != nil {
				return nil, err
			}
		}
	}
	for i, v := range devices {
		if p := password("devices", i, v.Password, v.PasswordFile); p != "" {
			if err := d.AddDevice(Device{ID: v.ID, Ward: v.Ward, Kind: v.Kind}, p); err != nil {
				return nil, err
			}
		}
	}
	return d, errors.Join(f...)
}

// readSecret reads a password without the line end behind it.
func readSecret(file string) (p string, err error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(in, maxSecretFile+1))
	if err == nil && len(raw) > maxSecretFile {
		err = fmt.Errorf("%s has more than %d bytes", file, maxSecretFile)
	}
	return strings.TrimRight(string(raw), "\r\n"), err
}
