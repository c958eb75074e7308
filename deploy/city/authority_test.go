package city

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wardline/sync/trust"
)

// authorityFile: at every node, at the
// station and in the city's folder, and what it names opens the doors for people at each step.
func authorityFile(w *town) {
	t := w.t
	admin := w.login(w.file.Command.URL, "administrator")
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(w.dir, "*", trust.RootsFile))
		if err != nil {
			t.Fatal(err)
		}
		return append(list, w.file.CA)
	}
	if n := len(files()); n != 5 {
		t.Fatalf("%d files: %v", n, files())
	}
	holds := func(generations ...int64) func() bool {
		return func() bool {
			for _, f := range files() {
				roots, err := trust.ReadRoots(f)
				if err != nil || !slices.EqualFunc(roots, generations, func(c *x509.Certificate, g int64) bool { return c.SerialNumber.Int64() == g }) {
					return false
				}
			}
			return true
		}
	}
	doors := func(step string) {
		t.Helper()
		raw, err := os.ReadFile(w.file.CA)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(raw) {
			t.Fatal("no PEM")
		}
		c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
		for _, url := range []string{w.file.Command.HTTPS, w.file.Stations[0].HTTPS} {
			w.wait(step+": "+url+" is believed", func() bool {
				a, err := c.Get(url + "/healthz")
				return err == nil && a.Body.Close() == nil
			})
		}
	}
	order := func(op trust.Op) {
		t.Helper()
		w.wait(string(op), func() bool {
			return w.do(admin, "POST", w.file.Command.URL+"/api/v1/machines", []byte(`{"op":"`+string(op)+`"}`), nil) == 200
		})
	}
	w.wait("the first authority in every file", holds(1))
	doors("at first")
	order(trust.OpRotate)
	w.wait("both in every file", holds(1, 2))
	doors("during the overlap")
	second := func() bool {
		raw, err := os.ReadFile(filepath.Join(w.dir, "ward-26704", "keys", "machine.json"))
		var k struct{ Chain [][]byte }
		if err != nil || json.Unmarshal(raw, &k) != nil || len(k.Chain) < 2 {
			return false
		}
		by, err := x509.ParseCertificate(k.Chain[1])
		return err == nil && by.SerialNumber.Int64() == 2
	}
	w.wait("the station has a certificate of the second", second)
	order(trust.OpRetire)
	w.wait("the second alone in every file", holds(2))
	doors("after")
}
