package sim

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"wardline/hardware/panel"
)

// Button plays the simplest panic button: "PANIC <device> <seq>" until
// "OK <seq>", "PING" answered by "PONG".
type Button struct{ player }

type lines struct{}

// NewButton makes a button with the profile's timeout and resends. ping 0
// sends no link tests.
func NewButton(p panel.Profile, ping time.Duration) (*Button, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	switch {
	case p.Protocol != panel.Button:
		return nil, &panel.ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q given to the simulation of %q", p.Protocol, panel.Button)}
	case ping < 0:
		return nil, fmt.Errorf("simulated button: ping %v is negative; use 0 for none", ping)
	}
	return &Button{player{speech: lines{}, timeout: p.Timeout, resends: p.Retries, heartbeat: ping}}, nil
}

// Run plays the button on the port; see Panel.Run.
func (b *Button) Run(ctx context.Context, port Port, presses <-chan panel.Event, told func(Sent)) error {
	return b.run(ctx, port, presses, told)
}

func (lines) frame(e panel.Event) ([]byte, error) {
	seq := e.Fields["seq"]
	if e.System != panel.SystemButton || e.Account == "" || seq == "" || strings.ContainsAny(e.Account+seq, " \r\n") {
		return nil, fmt.Errorf("simulated button: not a press: %+v", e)
	}
	return []byte("PANIC " + e.Account + " " + seq + "\n"), nil
}

func (lines) beat() []byte { return []byte("PING\n") }

// answer takes a line; one that names another number answers an earlier press.
func (lines) answer(b, sent []byte) (Answer, int, bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return Unanswered, 0, false
	}
	want := "PONG"
	if w := strings.Fields(string(sent)); w[0] == "PANIC" {
		want = "OK " + w[2]
	}
	return Acked, end + 1, strings.TrimRight(string(b[:end]), "\r") == want
}
