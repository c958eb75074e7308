package proxies

import (
	"net/http/httptest"
	"testing"
)

// TestProxies_WhoIsBelieved_SaysWhereARequestCameFrom_NobodyElseDoes: a phone behind the
// city's front has its own address for the limits, and nobody writes himself another one.
func TestProxies_WhoIsBelieved_SaysWhereARequestCameFrom_NobodyElseDoes(t *testing.T) {
	p, err := Parse([]string{"10.0.0.5", "10.1.0.0/16", "2001:db8::/64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, said, want string }{
		{"10.0.0.5:99", "203.0.113.7", "203.0.113.7:0"},
		{"[::ffff:10.0.0.5]:99", "203.0.113.7", "203.0.113.7:0"},
		{"10.0.0.5:99", "1.1.1.1, 203.0.113.7", "203.0.113.7:0"}, // what the phone wrote stands before
		{"10.0.0.5:99", "1.1.1.1, 203.0.113.7, 10.1.2.3", "203.0.113.7:0"},
		{"10.0.0.5:99", "2001:db8:9::1", "[2001:db8:9::1]:0"},
		{"203.0.113.7:99", "1.1.1.1", "203.0.113.7:99"},
		{"10.0.0.5:99", "", "10.0.0.5:99"},
		{"10.0.0.5:99", "1.1.1.1, nonsense", "10.0.0.5:99"},
		{"10.0.0.5:99", "10.1.2.3", "10.1.2.3:0"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.from
		if c.said != "" {
			r.Header.Set("X-Forwarded-For", c.said)
		}
		if p.Locate(r); r.RemoteAddr != c.want {
			t.Errorf("%+v: %s", c, r.RemoteAddr)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.5:99"
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	if List(nil).Locate(r); r.RemoteAddr != "10.0.0.5:99" {
		t.Error("without a setting somebody is believed")
	}
	if _, err := Parse([]string{"10.0.0.5", "the front"}); err == nil {
		t.Error("a name is taken for an address")
	}
}
