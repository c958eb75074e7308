package surgard

import (
	"strings"

	"wardline/hardware/panel"
	"wardline/hardware/panel/contactid"
)

const (
	// maxBlockEvents bounds the events of one block: a block of 256 characters
	// holds fewer.
	maxBlockEvents = 64
	// maxAccount is the longest account of a block (SIA DC-03).
	maxAccount = 16
)

func letters(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

// block reads "[#AAAA|Nri01/BA0001*text]": an account and a chain of
// modifiers (two small letters) and events (two capitals and an address).
// Modifiers hold for the events that follow them. N begins new events, O old
// ones, which the panel sends again.
func block(s string, system panel.System) []panel.Event {
	if len(s) < 5 || !strings.HasPrefix(s, "[#") || s[len(s)-1] != ']' {
		return nil
	}
	field, data, ok := strings.Cut(s[2:len(s)-1], "|")
	if !ok {
		return nil
	}
	account, flags, err := contactid.Account(field, maxAccount)
	if err != nil {
		return nil
	}
	// Text blocks follow behind a bar or an asterisk.
	data, text := cutText(data)
	if len(data) < 3 || data[0] != 'N' && data[0] != 'O' {
		return nil
	}
	proto := panel.Event{System: system, Account: account, Flags: flags, Qualifier: panel.New}
	if data[0] == 'O' {
		proto.Qualifier = panel.Previous
	}
	return chain(proto, data[1:], text)
}

func cutText(s string) (data, text string) {
	if i := strings.IndexAny(s, "|*"); i >= 0 {
		return s[:i], strings.Trim(s[i+1:], `"`)
	}
	return s, ""
}

// chain reads modifiers and events between slashes; nil when a part is neither.
func chain(proto panel.Event, data, text string) []panel.Event {
	var events []panel.Event
	mods := map[string]string{}
	for part := range strings.SplitSeq(data, "/") {
		for len(part) >= 2 && small(part[0]) && small(part[1]) {
			// Modifiers stand before "/" or directly before an event's capitals.
			n := 2
			for n < len(part) && (part[n] < 'A' || part[n] > 'Z') {
				n++
			}
			mods[part[:2]] = part[2:n]
			part = part[n:]
		}
		if part == "" {
			continue
		}
		if len(part) < 2 || len(events) == maxBlockEvents || !code(part[:2], proto.System) {
			return nil
		}
		e := proto
		e.Flags = append([]panel.Flag(nil), proto.Flags...)
		e.Code, e.Zone, e.Group = part[:2], part[2:], mods["ri"]
		for k, v := range mods {
			setField(&e, k, v)
		}
		if text != "" {
			setField(&e, "text", text)
		}
		events = append(events, e)
	}
	return events
}

// code checks an event's two characters: capitals in SIA; a receiver's own
// events may have digits.
func code(s string, system panel.System) bool {
	if system != panel.SystemReceiver {
		return letters(s)
	}
	for i := range len(s) {
		if !letters(s[i:i+1]) && !decimal(s[i:i+1]) {
			return false
		}
	}
	return true
}

func small(c byte) bool { return c >= 'a' && c <= 'z' }
