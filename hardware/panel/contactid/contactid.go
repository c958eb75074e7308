// Package contactid reads the digits of Contact ID (SIA DC-05, section 5):
// account, message type, qualifier, code, group and zone, and their checksum.
// Receivers strip the checksum and write E, R and P for the qualifier; Record
// reads that form too. What a code does is said by panel.Classify.
package contactid

import (
	"errors"
	"fmt"

	"wardline/hardware/panel"
)

// ErrForm is wrapped by every refusal: the text is not Contact ID.
var ErrForm = errors.New("not a Contact ID message")

// ErrChecksum: the digits do not add up.
var ErrChecksum = errors.New("contact ID checksum does not match")

const (
	accountLen = 4
	// tailLen is qualifier, code, group and zone.
	tailLen = 1 + 3 + 2 + 3
	digits  = accountLen + 2 + tailLen
)

// value is a digit's weight in the checksum: 0 counts 10, B to F count 11 to
// 15. A is sent as 0 and does not occur.
func value(c byte) (int, bool) {
	switch {
	case c == '0':
		return 10, true
	case c >= '1' && c <= '9':
		return int(c - '0'), true
	case c >= 'B' && c <= 'F':
		return int(c-'B') + 11, true
	}
	return 0, false
}

// Checksum is the digit that makes the sum of all digits divisible by 15: F
// when it already is. Spaces between digits are ignored.
func Checksum(message string) (byte, error) {
	sum := 0
	for i := 0; i < len(message); i++ {
		if message[i] == ' ' {
			continue
		}
		v, ok := value(message[i])
		if !ok {
			return 0, fmt.Errorf("%w: %q at position %d is no digit; digits are 0-9 and B-F", ErrForm, message[i], i)
		}
		sum += v
	}
	// What is missing to the next multiple of 15, from 1 to 15; the digit that
	// weighs 10 is 0.
	return "1234567890BCDEF"[14-sum%15], nil
}

// Parse reads the 16 digits as a panel dials them, checksum last:
// AAAA 18|98 Q XYZ GG CCC S with a numeric qualifier (1 new, 3 restore, 6
// still present).
func Parse(message string) (panel.Event, error) {
	if len(message) != digits+1 {
		return panel.Event{}, fmt.Errorf("%w: %d digits, want %d", ErrForm, len(message), digits+1)
	}
	sum, err := Checksum(message[:digits])
	if err != nil {
		return panel.Event{}, err
	}
	if sum != message[digits] {
		return panel.Event{}, fmt.Errorf("%w: is %q, should be %q", ErrChecksum, message[digits], sum)
	}
	if t := message[accountLen : accountLen+2]; t != "18" && t != "98" {
		return panel.Event{}, fmt.Errorf("%w: message type %q, want 18 or 98", ErrForm, t)
	}
	e := panel.Event{System: panel.SystemContactID, Account: message[:accountLen]}
	err = tail(&e, message[accountLen+2:], "136")
	return e, err
}

// Record reads what a receiver writes: account, letter qualifier, code, group
// and zone ("1234E12101001"). The account is what stands before the last nine
// characters; blanks around it are removed, and one with fewer than four
// digits is flagged.
func Record(text string) (panel.Event, error) {
	if len(text) <= tailLen || len(text) > tailLen+accountLen {
		return panel.Event{}, fmt.Errorf("%w: %d characters, want %d", ErrForm, len(text), tailLen+accountLen)
	}
	account, flags, err := Account(text[:len(text)-tailLen], accountLen)
	if err != nil {
		return panel.Event{}, err
	}
	e := panel.Event{System: panel.SystemContactID, Account: account, Flags: flags}
	err = tail(&e, text[len(text)-tailLen:], "ERP")
	return e, err
}

var qualifiers = [3]panel.Qualifier{panel.New, panel.Restore, panel.Previous}

// tail reads qualifier, code, group and zone. letters are the characters of
// new, restore and previous.
func tail(e *panel.Event, s, letters string) error {
	for i := range letters {
		if s[0] == letters[i] {
			e.Qualifier = qualifiers[i]
		}
	}
	if e.Qualifier == "" {
		return fmt.Errorf("%w: qualifier %q, want one of %q", ErrForm, s[0], letters)
	}
	for i := 1; i < len(s); i++ {
		if decimal := i <= 3; !isHex(s[i]) || decimal && s[i] > '9' {
			return fmt.Errorf("%w: %q in code, group or zone", ErrForm, s[i])
		}
	}
	e.Code, e.Group, e.Zone = s[1:4], s[4:6], s[6:9]
	return nil
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

// Account reads a hexadecimal account of a fixed width that may be filled with
// blanks. It is never padded; one with fewer than four digits is flagged.
func Account(field string, width int) (string, []panel.Flag, error) {
	a := field
	for len(a) > 0 && a[0] == ' ' {
		a = a[1:]
	}
	for len(a) > 0 && a[len(a)-1] == ' ' {
		a = a[:len(a)-1]
	}
	if a == "" || len(a) > width {
		return "", nil, fmt.Errorf("%w: account %q, want up to %d digits", ErrForm, field, width)
	}
	for i := range len(a) {
		if !isHex(a[i]) {
			return "", nil, fmt.Errorf("%w: %q in the account; digits are 0-9 and A-F", ErrForm, a[i])
		}
	}
	if len(a) < accountLen {
		return a, []panel.Flag{panel.FlagShortAccount}, nil
	}
	return a, nil, nil
}
