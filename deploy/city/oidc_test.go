package city

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wardline/core/signon"
	"wardline/sync/api/contract"
	"wardline/sync/identity"
)

// provider is a real OpenID Connect provider, a process.
type provider struct {
	f      *fleet
	issuer string
	stop   func()
}

// startProvider builds and runs the provider of deploy/oidc, which sends browsers back to
// redirect. Where its modules cannot be fetched the test is left out, and says so.
func startProvider(f *fleet, redirect string, users map[string]any) *provider {
	f.t.Helper()
	dir := f.t.TempDir()
	bin := filepath.Join(dir, "provider")
	build := exec.Command("go", "build", "-mod=mod", "-o", bin, "github.com/zitadel/oidc/v3/example/server")
	build.Dir = filepath.Join("..", "oidc")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		f.t.Skipf("the provider of deploy/oidc cannot be built here: %v\n%s", err, out)
	}
	addr, err := free("127.0.0.1:0", map[string]bool{})
	if err != nil {
		f.t.Fatal(err)
	}
	raw, err := json.Marshal(users)
	if err != nil || os.WriteFile(filepath.Join(dir, "users.json"), raw, 0o600) != nil {
		f.t.Fatal(err)
	}
	port := addr[strings.LastIndex(addr, ":")+1:]
	p := &provider{f: f, issuer: "http://localhost:" + port + "/"}
	run := exec.Command(bin)
	run.Env = append(os.Environ(), "PORT="+port, "REDIRECT_URI="+redirect, "USERS_FILE="+filepath.Join(dir, "users.json"))
	if err := run.Start(); err != nil {
		f.t.Fatal(err)
	}
	p.stop = func() {
		_ = run.Process.Kill() // it may have ended
		_ = run.Wait()         // killed
	}
	f.t.Cleanup(p.stop)
	f.wait("the provider stands", func() bool {
		a, err := http.Get(p.issuer + ".well-known/openid-configuration")
		return err == nil && a.Body.Close() == nil && a.StatusCode == 200
	})
	return p
}

// browser is one without a session; each answer of the city on its way is held to the
// description.
func (p *provider) browser(seen func(*http.Request)) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.f.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if seen != nil {
			seen(r)
		}
		return nil
	}}
}

// signIn goes through the provider's own page and gives where the browser ends up.
func (p *provider) signIn(c *http.Client, user, password string) *url.URL {
	t := p.f.t
	t.Helper()
	a, err := c.Get(p.f.coreURL(0) + "/api/v1/oidc/login")
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close() // its page is known
	id := a.Request.URL.Query().Get("authRequestID")
	if id == "" {
		return a.Request.URL
	}
	form := url.Values{"id": {id}, "username": {user}, "password": {password}}
	if a, err = c.PostForm(p.issuer+"login/username", form); err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close() // as above
	return a.Request.URL
}

// TestSignOn_ByARealProvider_LetsInWhoHasAnAccount_AndNobodyElse
func TestSignOn_ByARealProvider_LetsInWhoHasAnAccount_AndNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city and a provider")
	}
	f := startProcesses(t)
	base := f.coreURL(0)
	person := func(id, name string) map[string]any {
		return map[string]any{"ID": id, "Username": name, "Password": "at the provider", "FirstName": "M", "LastName": "T", "Email": name + "@city.example", "PreferredLanguage": "vi"}
	}
	p := startProvider(f, base+signon.CallbackPath, map[string]any{"1": person("1", "Mai.Tran"), "2": person("2", "stranger"), "3": person("3", "gone")})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.stop[f.cores[0].ID]()
	f.cores[0].OIDC = signon.Config{Issuer: p.issuer, ClientID: "web", ClientSecretFile: secret, RedirectURL: base + signon.CallbackPath, Name: "Tài khoản ngành"}
	f.startCore(0)
	f.ready(base)
	admin := f.login(f.coreURL(1), identity.Administrator)
	// As an operator makes it: no password is told, and none is to be changed first.
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	admins := filepath.Join(t.TempDir(), "administrator")
	if err := os.WriteFile(admins, []byte(f.officers[0].Password), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "user", "add", "mai.tran", "--oidc", "--role", "supervisor", "--unit", "command", "--reason", "test", "--url", f.coreURL(1), "--user", "administrator", "--password-file", admins).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "OpenID Connect") || strings.Contains(string(out), "shown this once") || strings.Contains(string(out), "must choose") {
		t.Fatalf("%v: %s", err, out)
	}
	for _, body := range []string{`{"user":"gone","role":"auditor","unit":"command","must_change":false,"reason":"test"}`} {
		if a := f.call(admin, "POST", f.coreURL(1)+"/api/v1/users", []byte(body)); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if a := f.call(admin, "PATCH", f.coreURL(1)+"/api/v1/users/gone", []byte(`{"disabled":true,"reason":"left"}`)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	me := func(c *http.Client) (int, identity.Officer) {
		var o identity.Officer
		a := f.call(c, "GET", base+"/api/v1/me", nil)
		_ = json.Unmarshal(a.body, &o) // the status says it
		return a.status, o
	}
	doc, err := contract.NewOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	about := f.call(nil, "GET", base+"/api/v1/oidc", nil)
	var button struct{ Name, Logout string }
	f.into(about, &button)
	if err := doc.Response("GET", "/api/v1/oidc", about.status, about.header, about.body); err != nil || button.Name != "Tài khoản ngành" || !strings.HasPrefix(button.Logout, p.issuer) {
		t.Errorf("%+v %v", button, err)
	}

	var back []string // the addresses under which the provider sent the browser back
	mai := p.browser(func(r *http.Request) {
		if r.URL.Path == signon.CallbackPath {
			back = append(back, r.URL.String())
		}
	})
	f.wait("the accounts are at this node", func() bool {
		users := string(f.call(f.login(base, identity.Administrator), "GET", base+"/api/v1/users", nil).body)
		return strings.Contains(users, "mai.tran") && strings.Contains(users, "left")
	})
	if to := p.signIn(mai, "Mai.Tran", "at the provider"); to.Path != "/command/" || to.RawQuery != "" {
		t.Fatalf("ended at %s", to)
	}
	if s, o := me(mai); s != 200 || o.User != "mai.tran" || o.Role != identity.Supervisor {
		t.Errorf("%d %+v", s, o)
	}
	if len(back) != 1 {
		t.Fatalf("%q", back)
	}
	ended := func(c *http.Client, address, why string) {
		t.Helper()
		a, err := c.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close() // its page is known
		if got := a.Request.URL.Query().Get("signon"); got != why {
			t.Errorf("%s ended at %s, want %s", address, a.Request.URL, why)
		}
		if s, _ := me(c); c != mai && s != 401 {
			t.Errorf("%s: somebody is logged in", address)
		}
	}
	ended(mai, back[0], "refused")            // once more
	ended(p.browser(nil), back[0], "refused") // in another browser
	if to := p.signIn(p.browser(nil), "stranger", "at the provider"); to.Query().Get("signon") != "no-account" {
		t.Errorf("who has no account ended at %s", to)
	}
	if to := p.signIn(p.browser(nil), "gone", "at the provider"); to.Query().Get("signon") != "no-account" {
		t.Errorf("whose account is disabled ended at %s", to)
	}
	users := f.call(admin, "GET", f.coreURL(1)+"/api/v1/users", nil)
	if strings.Contains(string(users.body), "stranger") {
		t.Error("the provider made an account")
	}
	// An attacker's own answer in somebody else's browser, and a code under another log-in.
	var theirs []string
	attacker := p.browser(nil)
	attacker.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == signon.CallbackPath {
			theirs = append(theirs, r.URL.String())
			return http.ErrUseLastResponse
		}
		return nil
	}
	p.signIn(attacker, "Mai.Tran", "at the provider")
	victim := p.browser(nil)
	victim.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), p.issuer) {
			theirs = append(theirs, r.URL.Query().Get("state"))
			return http.ErrUseLastResponse
		}
		return nil
	}
	a, err := victim.Get(base + "/api/v1/oidc/login")
	if err != nil || a.Body.Close() != nil || len(theirs) != 2 {
		t.Fatal(err, theirs)
	}
	victim.CheckRedirect = nil
	u, err := url.Parse(theirs[0])
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("state", theirs[1])
	u.RawQuery = q.Encode()
	ended(victim, u.String(), "refused")
	metrics := string(f.call(nil, "GET", base+"/metrics", nil).body)
	for _, want := range []string{`wardline_http_refused_total{reason="sign-on-refused"} 3`, `wardline_http_refused_total{reason="sign-on-no-account"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("not in the metrics: %s", want)
		}
	}
	if a := f.call(mai, "DELETE", base+"/api/v1/session", nil); a.status != 204 {
		t.Errorf("%d", a.status)
	}
	if s, _ := me(mai); s != 401 {
		t.Errorf("after the log-out: %d", s)
	}
	// Without the provider: said, and the password lets in.
	p.stop()
	f.stop[f.cores[0].ID]()
	f.startCore(0)
	f.ready(base)
	ended(p.browser(nil), base+"/api/v1/oidc/login", "later")
	f.login(base, identity.Auditor)
}
