package contactid

import (
	"errors"
	"strings"
	"testing"

	"wardline/hardware/panel"
)

func TestParse_EveryDigitWrong_IsSeen(t *testing.T) {
	const good = "1234181131010158"
	if _, err := Parse(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		for _, c := range "0123456789BCDEF" {
			if byte(c) == good[i] {
				continue
			}
			bad := good[:i] + string(c) + good[i+1:]
			// 15 digits, 15 weights: no other digit gives the same sum.
			if _, err := Parse(bad); !errors.Is(err, ErrChecksum) {
				t.Fatalf("%s: %v", bad, err)
			}
		}
	}
}

func TestParse_QualifiersAreNumbers(t *testing.T) {
	for q, want := range map[string]panel.Qualifier{"1": panel.New, "3": panel.Restore, "6": panel.Previous} {
		m := "BCDF98" + q + "13001E02"
		sum, err := Checksum(m)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Parse(m + string(sum))
		if err != nil || e.Qualifier != want || e.Account != "BCDF" || e.Code != "130" {
			t.Errorf("%s: %+v, %v", m, e, err)
		}
	}
	m := "123418213001001"
	sum, _ := Checksum(m)
	if _, err := Parse(m + string(sum)); !errors.Is(err, ErrForm) {
		t.Errorf("qualifier 2 was taken: %v", err)
	}
}

func TestRecord_ShortAccount_IsFlaggedAndNotPadded(t *testing.T) {
	for text, account := range map[string]string{" 12BE13001001": "12B", "12BE13001001": "12B", "7E13001001": "7"} {
		e, err := Record(text)
		if err != nil || e.Account != account || len(e.Flags) != 1 || e.Flags[0] != panel.FlagShortAccount {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
	for _, bad := range []string{"", "E13001001", "    E13001001", "1 34E13001001", "12345E13001001", "1234X13001001", "1234E1B001001", "1234E130010 1"} {
		if e, err := Record(bad); !errors.Is(err, ErrForm) {
			t.Errorf("%q: %+v, %v", bad, e, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1234181131010158")
	f.Add("1234E12101001")
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := Parse(s); err == nil {
			sum, err := Checksum(s[:15])
			if err != nil || sum != s[15] || e.Account != s[:4] || e.Qualifier == "" {
				t.Fatalf("%q: %+v", s, e)
			}
		}
		if e, err := Record(s); err == nil && (!strings.Contains(s, e.Account) || e.Qualifier == "") {
			t.Fatalf("%q: %+v", s, e)
		}
	})
}
