package city

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// paths asks for what lies beside the pages, byte for byte as no client would send it.
func (a *attack) paths() {
	secret := a.file.Officers[0].Password
	for _, base := range []string{a.file.Core[0].URL, a.file.Stations[0].URL, a.file.Command.URL, a.file.Stations[0].HTTPS} {
		for _, path := range []string{"/../../../../etc/passwd", "/desk/../../../../etc/passwd", "/desk/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
			"/assets/../city.json", "/assets/%2e%2e%2fcity.json", "//etc/passwd", "//api/v1/users", "/api//v1/users", "/api/v1/users/", "/api/v1/./users", "/desk/..%5c..%5cetc%5cpasswd",
			"/assets/%00", "/assets/", "/desk", "/api/v1/incidents/..%2f..%2fusers", "/api/v1/reports/../users", "/metrics/../api/v1/users", "/API/V1/USERS", "/.git/config", "/debug/pprof/", "http://127.0.0.1:1/api/v1/users", "*"} {
			status, kind, body := a.raw(base, "GET "+path+" HTTP/1.1\r\nHost: city\r\nConnection: close\r\n\r\n")
			if strings.Contains(body, "root:") || strings.Contains(body, secret) || strings.Contains(body, "goroutine ") || strings.Contains(body, "<pre>") {
				a.t.Errorf("%s at %s gives what lies beside: %.200s", path, base, body)
			}
			if status == 200 && !strings.Contains(kind, "text/html") { // the pages are the same for everybody
				a.t.Errorf("%s at %s: %d %.200s", path, base, status, kind)
			}
			if status < 200 || status >= 500 && status != 503 {
				a.t.Errorf("%s at %s: %d", path, base, status)
			}
		}
		for _, broken := range []string{"GET /api/v1/me HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "POST /api/v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/users HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /" + strings.Repeat("a", 200_000) + " HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x00\x05hello\r\n\r\n"} {
			if status, _, _ := a.raw(base, broken); status == 200 || status >= 500 && status != 505 {
				a.t.Errorf("%.60q at %s: %d", broken, base, status)
			}
		}
	}
	a.seen(a.file.Core[0].URL, "wardline_http_refused_total", []string{`"not-found"`}, func() { a.raw(a.file.Core[0].URL, "GET /.env HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") })
}

// raw sends bytes and gives the first answer; status 0 where there was none.
func (a *attack) raw(base, text string) (status int, kind, body string) {
	a.t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		a.t.Fatal(err)
	}
	var c net.Conn
	d := &net.Dialer{Timeout: 20 * time.Second}
	if u.Scheme == "https" {
		c, err = tls.DialWithDialer(d, "tcp", u.Host, &tls.Config{RootCAs: a.roots, ServerName: u.Hostname()})
	} else {
		c, err = d.Dial("tcp", u.Host)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // its end is known
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, text) // it may close before the end
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 400, "", "" // closed without an answer: refused
	}
	defer func() { _ = r.Body.Close() }()                   // the connection ends
	content, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // what came of it
	return r.StatusCode, r.Header.Get("Content-Type"), string(content)
}

// halfOpen is how many connections the flood opens; fewer where the machine gives
// less descriptors.
const halfOpen = 10_000

// flood opens connections that say nothing, keeps all of them, and looks whether those
// who have something to say are served.
func (a *attack) flood() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		a.t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		a.t.Fatal(err)
	}
	n := min(halfOpen, int(limit.Max)-2000)
	st, node := a.file.Stations[0], a.file.Core[0]
	host := func(u string) string { return u[strings.LastIndex(u, "/")+1:] }
	for _, d := range []struct {
		what, addr, base, gauge, ended string
		labels                         []string
		most                           float64
	}{
		{"HTTP of the station", host(st.URL), st.URL, "wardline_http_half_open", "wardline_http_ended_total", []string{`"half_open"`}, 1024},
		{"HTTPS of the station", host(st.HTTPS), st.URL, "wardline_edge_tls_half_open", "wardline_edge_tls_connections_total", []string{`"too_many"`}, 256},
		{"MQTT of the station", st.MQTT, st.URL, "wardline_edge_mqtt_half_open", "wardline_edge_mqtt_half_open_ended_total", nil, 256},
		{"MQTT over TLS", st.MQTTS, st.URL, "wardline_edge_mqtt_half_open", "wardline_edge_mqtt_half_open_ended_total", nil, 256},
		{"HTTP of a core node", host(node.URL), node.URL, "wardline_http_half_open", "wardline_http_ended_total", []string{`"half_open"`}, 1024},
		{"HTTPS of a core node", host(node.TLS), node.URL, "wardline_core_tls_half_open", "wardline_core_tls_connections_total", []string{`"https"`, `"too_many"`}, 256},
	} {
		before := a.metric(d.base, d.ended, d.labels...)
		opened, end := a.open(d.addr, n)
		began := time.Now()
		most := a.metric(d.base, d.gauge)
		a.works(d.what)
		took := time.Since(began)
		a.wait(d.what+": the flood is counted", func() bool {
			most = max(most, a.metric(d.base, d.gauge))
			return a.metric(d.base, d.ended, d.labels...) > before
		})
		if most > d.most+2 { // those who ask for the metrics
			a.t.Errorf("%s: %v connections are half-open at once", d.what, most)
		}
		end()
		a.t.Logf("%s: %d of %d opened, at most %v half-open at once; a report each by HTTP, HTTPS, MQTT and MQTTS meanwhile in %s", d.what, opened, n, most, took.Round(time.Millisecond))
	}
}

// open opens n connections and keeps them; how many came through, and what ends them. They are
// bare sockets: an attacker has no goroutines, and those of 60,000 connections under the race detector
// would take more of the processor than the doors.
func (a *attack) open(addr string, n int) (int, func()) {
	a.t.Helper()
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		a.t.Fatal(err)
	}
	door := unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	var mu sync.Mutex
	var list []int
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if fd, err := knock(door); err == nil {
					mu.Lock()
					list = append(list, fd)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return len(list), func() {
		for _, fd := range list {
			_ = unix.Close(fd) // the attack is over
		}
	}
}

// knock opens one connection, from another address than those who have something to say; door is
// its own: each call writes into it.
func knock(door unix.SockaddrInet4) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 2}),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 9}}))
	if err == nil {
		err = unix.Connect(fd, &door)
		for err == unix.EINTR || err == unix.EALREADY { // the runtime's signals; it goes on meanwhile
			err = unix.Connect(fd, &door)
		}
	}
	if err != nil && err != unix.EISCONN {
		_ = unix.Close(fd) // nothing came of it
		return -1, err
	}
	return fd, nil
}

// works reports by each way in.
func (a *attack) works(during string) {
	a.t.Helper()
	st, dev := a.file.Stations[0], a.file.Devices[0]
	for _, base := range []string{st.URL, st.HTTPS, a.file.Core[0].URL, a.file.Core[0].TLS} {
		c := &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.roots}, DisableKeepAlives: true}}
		r, err := http.NewRequest("POST", base+"/api/v1/reports", strings.NewReader(string(reportOf(newID()))))
		if err != nil {
			a.t.Fatal(err)
		}
		r.SetBasicAuth(dev.ID, dev.Password)
		x, err := c.Do(r)
		if err != nil || x.StatusCode != 201 || x.Body.Close() != nil {
			a.t.Errorf("%s under attack: %s: %v", during, base, err)
		}
	}
	for i, broker := range []string{"tcp://" + st.MQTT, "ssl://" + st.MQTTS} {
		d := a.file.Devices[i]
		c := a.device(i, broker)
		if k := c.Publish("wardline/v1/"+d.Ward+"/"+d.ID+"/report", 1, false, reportOf(newID())); !k.WaitTimeout(60*time.Second) || k.Error() != nil {
			a.t.Errorf("%s under attack: %s: %v", during, broker, k.Error())
		}
		c.Disconnect(50)
	}
}
