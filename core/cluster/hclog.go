package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// repeatAfter is how long the same words of Raft are kept to once: it says
	// several times a second that a node is down.
	repeatAfter = 10 * time.Second
	// maxSaid bounds the words that are remembered for that.
	maxSaid = 256
)

// raftLog gives what hashicorp's libraries say to slog.
func raftLog(log *slog.Logger) hclog.Logger {
	lg := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Off, Output: io.Discard})
	lg.RegisterSink(&logSink{log: log, said: map[string]time.Time{}})
	return lg
}

type logSink struct {
	log  *slog.Logger
	mu   sync.Mutex
	said map[string]time.Time
}

// Accept implements hclog.SinkAdapter.
func (s *logSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	l := slog.LevelDebug // Raft's info is one line per change of its inner state
	if level >= hclog.Warn {
		l = slog.LevelWarn
	}
	ctx := context.Background()
	if !s.log.Enabled(ctx, l) || l > slog.LevelDebug && s.repeated(msg, time.Now()) {
		return
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	s.log.Log(ctx, l, msg, append([]any{"part", name}, args...)...)
}

func (s *logSink) repeated(msg string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.said[msg]; ok && now.Sub(last) < repeatAfter {
		return true
	}
	if len(s.said) >= maxSaid {
		clear(s.said)
	}
	s.said[msg] = now
	return false
}
