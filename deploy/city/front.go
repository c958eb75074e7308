package city

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// front passes the command centre's requests to a live core node. It stays
// with one node while that lives.
type front struct {
	nodes []string
	log   *slog.Logger

	mu  sync.Mutex // guards at
	at  int
	ask *http.Client
}

func newFront(nodes []string, log *slog.Logger) *front {
	return &front{nodes: nodes, log: log, ask: &http.Client{Timeout: time.Second}}
}

func (f *front) target() *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, err := url.Parse("http://" + f.nodes[f.at])
	if err != nil {
		f.log.Error("front", "err", err)
	}
	return u
}

// node is the place of the node that is spoken with.
func (f *front) node() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// watch moves on when the present node does not answer.
func (f *front) watch(ctx context.Context) {
	t := time.NewTicker(300 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if f.alive(f.target().Host) {
			continue
		}
		f.mu.Lock()
		f.at = (f.at + 1) % len(f.nodes)
		f.mu.Unlock()
	}
}

func (f *front) alive(host string) bool {
	r, err := f.ask.Get("http://" + host + "/healthz")
	if err != nil {
		return false
	}
	return r.Body.Close() == nil && r.StatusCode == 200
}

func (f *front) serve(ctx context.Context, l net.Listener) error {
	p := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(f.target())
		r.Out.Host = r.In.Host
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(503)
		_, _ = w.Write([]byte(`{"type":"/problems/no-node","title":"Service Unavailable","status":503,"detail":"the node that answered has gone; send the same again"}` + "\n"))
	}}
	srv := &http.Server{Handler: p, ReadHeaderTimeout: 20 * time.Second}
	go f.watch(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		_ = srv.Close() // everything ends now
		<-done
		return nil
	}
}
