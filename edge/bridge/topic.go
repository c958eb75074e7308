package bridge

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"wardline/sync/record"
)

// maxDevice bounds a device's name, in bytes. With the bridge's name before it,
// it stays below what an actor's name may have (128).
const maxDevice = 64

// parseTopic takes wardline/v1/{ward}/{device}/report apart; misfit says what is
// wrong with any other topic.
func parseTopic(topic string) (ward record.WardCode, device, misfit string) {
	l := strings.Split(topic, "/")
	if len(l) != 5 || l[0] != "wardline" || l[1] != "v1" || l[4] != "report" {
		return "", "", fmt.Sprintf("the topic is %.200q; a report goes to wardline/v1/{ward}/{device}/report", topic)
	}
	if ward = record.WardCode(l[2]); !ward.Valid() {
		return "", "", fmt.Sprintf("the topic names the ward %.64q; a ward is five digits, for example 26704", l[2])
	}
	if device = l[3]; device == "" || len(device) > maxDevice || !plain(device) {
		return "", "", fmt.Sprintf("the topic names the device %.128q; 1 to %d bytes of UTF-8 without control characters", device, maxDevice)
	}
	return ward, device, ""
}

// plain says that a text is UTF-8 without control characters.
func plain(s string) bool { return utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0 }
