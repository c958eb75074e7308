// Package button reads the simplest panic button's ASCII lines:
//
//	PANIC <device> <seq> LF    answered "OK <seq>" LF after the sync
//	PING LF                    answered "PONG" LF at once
//
// A carriage return before the line feed is accepted. A panic is a panic also
// without its number: it is flagged, not refused. There is no negative answer;
// a broken line is left unanswered, and the button sends it again.
package button

import (
	"fmt"
	"strings"

	"wardline/hardware/panel"
)

// maxLine holds a device name and a number of 32 characters each with as much
// again.
const maxLine = 128

// New is a decoder for a line with this profile.
func New(p panel.Profile) (*panel.Text, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Protocol != panel.Button {
		return nil, &panel.ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q given to the decoder of %q", p.Protocol, panel.Button)}
	}
	return panel.NewText(parser{}, p.Terminator, maxLine), nil
}

type parser struct{}

var _ panel.Parser = parser{}

func (parser) Broken() []byte { return nil }

// Kept answers a line that fits no form, with its last word where a number
// would stand, so that a sender that waits for it stops repeating.
func (parser) Kept(body []byte) []byte {
	w := strings.Fields(string(body))
	if len(w) < 3 {
		return ok("")
	}
	return ok(w[len(w)-1])
}

func ok(seq string) []byte {
	if seq == "" {
		return []byte("OK\n")
	}
	return []byte("OK " + seq + "\n")
}

// Parse reads one line.
func (parser) Parse(body []byte) panel.Frame {
	w := strings.Fields(string(body))
	switch {
	case len(w) == 1 && w[0] == "PING":
		return panel.Frame{Kind: panel.KindHeartbeat, Reply: []byte("PONG\n"), ReplyNamed: true}
	case (len(w) == 2 || len(w) == 3) && w[0] == "PANIC":
		f := panel.Frame{
			Kind:      panel.KindEvent,
			Events:    []panel.Event{{System: panel.SystemButton, Account: w[1], Qualifier: panel.New, Code: "PANIC"}},
			ResendKey: []byte(strings.Join(w, " ")),
		}
		if len(w) == 2 {
			f.Reply, f.Flags = ok(""), []panel.Flag{panel.FlagNoSequence}
			return f
		}
		f.Reply, f.ReplyNamed, f.Counter = ok(w[2]), true, true
		f.Events[0].Fields = map[string]string{"seq": w[2]}
		return f
	}
	return panel.Frame{Kind: panel.KindUnfit}
}
