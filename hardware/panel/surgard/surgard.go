// Package surgard reads the automation output of SurGard receivers (MLR2,
// MLR2000, System III, System 5): Contact ID, basic and SIA records, SIA
// blocks, the receiver's own events and its heartbeats, each ending in DC4.
//
// Records are acknowledged with ACK (0x06) after the sync, heartbeats at once;
// NAK (0x15) asks for a resend. The answer is one byte that names nothing:
// Frame.ReplyNamed is false.
//
// It does not read the market's variants without a terminator.
package surgard

import (
	"fmt"
	"strings"

	"wardline/hardware/panel"
	"wardline/hardware/panel/contactid"
)

const (
	ack = 0x06
	nak = 0x15
	// maxFrame holds the longest SIA block with a text of the panel's (System 5
	// manual: 256) twice over.
	maxFrame = 512
	// heartbeat is what follows the header's digits in a link test.
	heartbeat = "           @    "
	// record is the length of a Contact ID record without its line number's width:
	// type, receiver, blank, 18, account, qualifier, code, group, zone.
	record = 1 + 2 + 1 + 2 + 4 + 1 + 3 + 2 + 3
	// clockMax is the longest clock that receivers append.
	clockMax = 24
)

// New is a decoder for a line with this profile.
func New(p panel.Profile) (*panel.Text, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Protocol != panel.SurGard {
		return nil, &panel.ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q given to the decoder of %q", p.Protocol, panel.SurGard)}
	}
	return panel.NewText(&parser{line: p.HeaderWidth - 2, clock: p.AppendedClock}, p.Terminator, maxFrame), nil
}

type parser struct {
	line  int // digits of the line number: 1 or 3
	clock bool
}

var _ panel.Parser = (*parser)(nil)

func (p *parser) Broken() []byte     { return []byte{nak} }
func (p *parser) Kept([]byte) []byte { return []byte{ack} }

// Parse reads one record.
func (p *parser) Parse(body []byte) panel.Frame {
	s := string(body)
	if digits, ok := linkTest(s); ok {
		f := panel.Frame{Kind: panel.KindHeartbeat, Reply: []byte{ack}}
		if digits != 2+p.line {
			f.Flags = []panel.Flag{panel.FlagHeaderWidth}
		}
		return f
	}
	events := p.events(s)
	if len(events) == 0 {
		if p.other(s) { // no resend would change it
			return panel.Frame{Kind: panel.KindUnfit}
		}
		if p.beheaded(s) {
			return panel.Frame{Kind: panel.KindDamage}
		}
		if at, events := p.behindNoise(s); at > 0 {
			return panel.Frame{Kind: panel.KindDamage, Events: events, Reply: []byte{ack}, ResendKey: body[at:]}
		}
		return panel.Frame{Kind: panel.KindUnfit}
	}
	return panel.Frame{Kind: panel.KindEvent, Events: events, Reply: []byte{ack}, ResendKey: body}
}

// linkTest recognises a heartbeat in either header width, because a blocked
// receiver goes on only after one is answered. digits is the width.
func linkTest(s string) (digits int, ok bool) {
	head, found := strings.CutSuffix(s, heartbeat)
	if !found || len(head) != 4 && len(head) != 6 || head[0] != '1' || !decimal(head[1:]) {
		return 0, false
	}
	return len(head) - 1, true
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func hexadecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// events reads a record by its type character; none when it fits no form.
func (p *parser) events(s string) []panel.Event {
	head := 1 + 2 + p.line
	if len(s) <= head || !hexadecimal(s[1:head]) {
		return nil
	}
	kind, rest, clock := s[0], s[head:], ""
	if p.clock && kind != 'S' && kind != '0' {
		rest, clock = cutClock(rest)
	}
	var events []panel.Event
	switch kind {
	case '5':
		events = contactID(rest)
	case '1':
		events = basic(rest)
	case '3':
		events = sia(rest)
	case 'S':
		events = block(rest, panel.SystemSIA)
	case '0':
		events = block(rest, panel.SystemReceiver)
	}
	for i := range events {
		events[i].Receiver, events[i].Line = s[1:3], s[3:head]
		if clock != "" {
			setField(&events[i], "clock", clock)
		}
	}
	return events
}

// cutClock splits off " HH:MM:SS ..." behind a record.
func cutClock(s string) (rest, clock string) {
	i := strings.IndexByte(s, ':')
	if i < 3 || s[i-3] != ' ' || len(s)-i > clockMax {
		return s, ""
	}
	return strings.TrimRight(s[:i-3], " "), s[i-2:]
}

func setField(e *panel.Event, name, value string) {
	if e.Fields == nil {
		e.Fields = map[string]string{}
	}
	e.Fields[name] = value
}

// contactID reads " 18AAAAQXYZGGCCC".
func contactID(s string) []panel.Event {
	if len(s) < 3 || s[0] != ' ' || s[1:3] != "18" && s[1:3] != "98" {
		return nil
	}
	e, err := contactid.Record(s[3:])
	if err != nil {
		return nil
	}
	return []panel.Event{e}
}

// basic reads "␠␠␠␠␠␠AAAA␠XGYYY": a pulse format's event as one character.
func basic(s string) []panel.Event {
	const blanks = "      "
	if len(s) != len(blanks)+4+1+5 || s[:6] != blanks || s[10] != ' ' || s[11] == ' ' {
		return nil
	}
	account, flags, err := contactid.Account(s[6:10], 4)
	if err != nil {
		return nil
	}
	e := panel.Event{
		System: panel.SystemBasic, Account: account, Flags: flags, Qualifier: panel.New,
		Code: s[11:12], Group: strings.TrimSpace(s[12:13]), Zone: strings.TrimSpace(s[13:]),
	}
	if e.Code == "9" {
		e.Qualifier = panel.Restore
	}
	return []panel.Event{e}
}

// sia reads "␠␠␠␠AAAAAAXXYYYY". The account stands in six places.
func sia(s string) []panel.Event {
	if len(s) != 4+6+2+4 || s[:4] != "    " || !letters(s[10:12]) {
		return nil
	}
	account, flags, err := contactid.Account(s[4:10], 6)
	if err != nil {
		return nil
	}
	return []panel.Event{{
		System: panel.SystemSIA, Account: account, Flags: flags, Qualifier: panel.New,
		Code: s[10:12], Zone: strings.TrimSpace(s[12:]),
	}}
}

// other says whether a record is whole in the other header width.
func (p *parser) other(s string) bool {
	return len((&parser{line: 4 - p.line, clock: p.clock}).events(s)) > 0
}

// behindNoise finds a whole record at the end of what noise, or the torn
// beginning of the same record, stands before. A resend cures that too.
func (p *parser) behindNoise(s string) (at int, events []panel.Event) {
	for at = 1; at < len(s); at++ {
		if strings.IndexByte("513S0", s[at]) < 0 {
			continue
		}
		if events = p.events(s[at:]); len(events) > 0 {
			return at, events
		}
	}
	return 0, nil
}

// beheaded recognises the end of a Contact ID record whose beginning was lost,
// as when the station opens the line in the middle of it. A resend cures that.
func (p *parser) beheaded(s string) bool {
	if len(s) < 9 || len(s) >= record+p.line {
		return false
	}
	t := s[len(s)-9:]
	if strings.IndexByte("ERP", t[0]) < 0 || !decimal(t[1:4]) || !hexadecimal(t[4:]) {
		return false
	}
	// What is left of the beginning must be the end of "5RRL 18AAAA".
	want := "5" + strings.Repeat("#", 2+p.line) + " 18####"
	left := s[:len(s)-9]
	want = want[len(want)-len(left):]
	for i := range len(left) {
		if want[i] == '#' && !hexadecimal(left[i:i+1]) || want[i] == ' ' && left[i] != ' ' {
			return false
		}
	}
	return true
}
