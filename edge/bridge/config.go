package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"wardline/configs"
	"wardline/sync/record"
)

// DefaultFilter is what a bridge subscribes to when nothing else is said.
const DefaultFilter = "wardline/v1/+/+/report"

// Limits of a configuration.
const (
	// maxName keeps "bridge/device" below what an actor's name may have.
	maxName = 32
	// maxFilters is what goes into one SUBSCRIBE; a ward has one or two.
	maxFilters = 16
	// maxFilter bounds a filter, in bytes; ours has 22.
	maxFilter = 1024
	// maxClientID is what Mosquitto and EMQX take without being told.
	maxClientID = 256
	// maxSecretFile bounds a password file, in bytes.
	maxSecretFile = 4 << 10
	// maxCAFile bounds a file of authorities; the web's whole list has 200 KB.
	maxCAFile = 1 << 20
)

// Config is one bridge, as the station's file says it.
type Config struct {
	// Name is the bridge's own: lower-case letters, digits, - and _. Devices behind
	// it are named "name/device".
	Name string `json:"name" yaml:"name"`
	// URL is tcp://, ssl://, ws:// or wss://host[:port]. A user and a password in it
	// count as username and password.
	URL string `json:"url" yaml:"url"`
	// ClientID names the session that the broker keeps. Empty takes one made of the
	// station's origin and the bridge's name; it must stay the same.
	ClientID string `json:"client_id,omitempty" yaml:"client_id"`
	Username string `json:"username,omitempty" yaml:"username"`
	Password string `json:"password,omitempty" yaml:"password"`
	// PasswordFile holds the password instead; it is read at each connection.
	PasswordFile string `json:"password_file,omitempty" yaml:"password_file"`
	// Filters are the topic filters, MQTT 3.1.1 section 4.7; empty takes [DefaultFilter].
	Filters []string `json:"filters,omitempty" yaml:"filters"`
	// CAFile holds the authorities, PEM, that the broker's certificate is checked
	// against; empty takes the system's.
	CAFile string `json:"ca_file,omitempty" yaml:"ca_file"`
	// TLS, when set, is used instead of what CAFile gives.
	TLS *tls.Config `json:"-" yaml:"-"`
}

// schemes are the ways to a broker and their ports (IANA; 80 and 443 for WebSocket).
var schemes = map[string]struct {
	port string
	tls  bool
}{
	"tcp": {"1883", false}, "mqtt": {"1883", false}, "ssl": {"8883", true}, "tls": {"8883", true}, "mqtts": {"8883", true},
	"ws": {"80", false}, "wss": {"443", true},
}

// Validate names every field that is wrong; it never repeats a secret.
func (c *Config) Validate() error {
	var f configs.Faults
	if c.Name == "" || len(c.Name) > maxName || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		f.Add("name", fmt.Sprintf("give the bridge a name of 1 to %d lower-case letters, digits, - and _", maxName), "is %q", c.Name)
	}
	a, err := c.address()
	f.Under("", err)
	if a.user != "" && c.Username != "" {
		f.Add("username", "leave one of them out", "is set and url names a user")
	}
	secrets := 0
	for _, s := range []string{a.password, c.Password, c.PasswordFile} {
		if s != "" {
			secrets++
		}
	}
	if secrets > 1 {
		f.Add("password", "keep one, best password_file", "is given %d times (url, password, password_file)", secrets)
	}
	if secrets > 0 && err == nil && a.user == "" && c.Username == "" {
		f.Add("username", "name the broker's user: MQTT 3.1.1 has no password without one (section 3.1.2.9)", "is missing")
	}
	if len(c.ClientID) > maxClientID || !plain(c.ClientID) {
		f.Add("client_id", fmt.Sprintf("at most %d characters, none of them a control character", maxClientID), "is %q", c.ClientID)
	}
	if len(c.Filters) > maxFilters {
		f.Add("filters", fmt.Sprintf("at most %d", maxFilters), "has %d entries", len(c.Filters))
	}
	seen := map[string]bool{}
	for i, x := range c.Filters {
		at := fmt.Sprintf("filters[%d]", i)
		if do := checkFilter(x); do != "" {
			f.Add(at, do, "%q is no filter that brings reports", x)
		}
		if seen[x] {
			f.Add(at, "take one out", "is %q, which stands there already", x)
		}
		seen[x] = true
	}
	if c.CAFile != "" && err == nil && !a.tls {
		f.Add("ca_file", "write ssl:// or wss://, or leave ca_file out", "is set, but url is without TLS")
	}
	return f.Err()
}

// checkFilter holds MQTT 3.1.1 section 4.7.1 and says what to do; nothing for a good
// filter. A shared subscription or one of the broker's own topics ($…) would take
// reports away or bring none.
func checkFilter(f string) (do string) {
	switch {
	case f == "":
		return "leave filters out to take " + DefaultFilter
	case len(f) > maxFilter || !plain(f):
		return fmt.Sprintf("at most %d bytes of UTF-8 without control characters", maxFilter)
	case f[0] == '$':
		return "filters that begin with $ bring no reports"
	}
	levels := strings.Split(f, "/")
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && len(l) > 1 {
			return "+ and # stand alone between slashes"
		}
		if l == "#" && i != len(levels)-1 {
			return "# stands last"
		}
	}
	return ""
}

// address is a broker's URL taken apart.
type address struct {
	scheme, host string // host:port
	path         string // of a WebSocket
	tls          bool
	user         string
	password     string
}

func (c *Config) address() (address, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		// Not wrapped: what url.Parse says repeats the text, and a password may be in it.
		return address{}, &configs.Fault{Field: "url", Wrong: "cannot be read", Do: "write it as tcp://host:1883, and the password into password_file"}
	}
	s, ok := schemes[u.Scheme]
	if !ok {
		return address{}, &configs.Fault{Field: "url", Wrong: "has no scheme that is known here", Do: "use tcp, ssl, ws or wss, for example tcp://10.0.0.5:1883"}
	}
	if u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return address{}, &configs.Fault{Field: "url", Wrong: "needs a host and nothing behind it", Do: "write for example tcp://10.0.0.5:1883"}
	}
	ws := u.Scheme == "ws" || u.Scheme == "wss"
	if !ws && strings.Trim(u.Path, "/") != "" {
		return address{}, &configs.Fault{Field: "url", Wrong: "has a path", Do: "only ws:// and wss:// may have one"}
	}
	a := address{scheme: u.Scheme, path: u.EscapedPath(), tls: s.tls, user: u.User.Username()}
	a.password, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		port = s.port
	}
	a.host = net.JoinHostPort(u.Hostname(), port)
	return a, nil
}

// String is the address without user and password, for logs.
func (a address) String() string { return a.scheme + "://" + a.host + a.path }

// clientID is the session's name at the broker.
func (c *Config) clientID(o record.Origin) string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return "wardline-" + string(o) + "-" + c.Name
}

func (c *Config) filters() []string {
	if len(c.Filters) == 0 {
		return []string{DefaultFilter}
	}
	return c.Filters
}

// credentials reads the password where it stands now.
func (c *Config) credentials(a address) (user, password string, err error) {
	user, password = c.Username, c.Password
	if a.user != "" {
		user = a.user
	}
	if a.password != "" {
		password = a.password
	}
	if c.PasswordFile != "" {
		raw, err := readFile(c.PasswordFile, maxSecretFile)
		if err != nil {
			return "", "", fmt.Errorf("password_file: %w", err)
		}
		if password = strings.TrimRight(string(raw), "\r\n"); password == "" {
			return "", "", fmt.Errorf("password_file: %s is empty", c.PasswordFile)
		}
	}
	return user, password, nil
}

// tlsConfig is nil for a way without TLS.
func (c *Config) tlsConfig(a address) (*tls.Config, error) {
	if !a.tls {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		t = c.TLS.Clone()
	} else if c.CAFile != "" {
		raw, err := readFile(c.CAFile, maxCAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", c.CAFile)
		}
	}
	if t.ServerName == "" {
		host, _, err := net.SplitHostPort(a.host)
		if err != nil {
			return nil, err
		}
		t.ServerName = host
	}
	return t, nil
}

func readFile(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, at most %d", path, st.Size(), limit)
	}
	return os.ReadFile(path)
}
