package panel

import "strings"

// siaAlarms are the two-letter alarm codes (SIA DC-03, data code list) that
// open an incident.
var siaAlarms = map[string]Meaning{
	"BA": alarm("burglary", CategoryCrime, false),
	"BM": alarm("burglary", CategoryCrime, false),
	"BV": alarm("burglary", CategoryCrime, false),
	"EA": alarm("burglary", CategoryCrime, false),
	"UA": alarm("untyped", CategorySecurity, false),
	"TA": alarm("tamper", CategoryCrime, false),
	"DF": alarm("door_forced", CategoryCrime, false),
	"FA": alarm("fire", CategoryFire, false),
	"FM": alarm("fire", CategoryFire, false),
	"PA": alarm("panic", CategoryPanic, false),
	// A hold-up alarm is sent by a person under duress, silently.
	"HA": alarm("duress", CategoryPanic, true),
	"MA": alarm("medical", CategoryMedical, false),
	"QA": alarm("emergency", CategoryEmergency, false),
	"GA": alarm("gas", CategoryEmergency, false),
	"KA": alarm("technical", CategoryEmergency, false),
	"WA": alarm("technical", CategoryEmergency, false),
	"ZA": alarm("technical", CategoryEmergency, false),
	"SA": alarm("sprinkler", CategoryFire, false),
}

// siaTests never open an incident.
var siaTests = map[string]bool{"RP": true, "RX": true, "RY": true, "TX": true, "BX": true, "FX": true, "GX": true,
	"HX": true, "KX": true, "PX": true, "QX": true, "MX": true, "WX": true, "ZX": true, "SX": true}

// siaAlarmed are first letters under which A is an alarm and H and R are its
// restore.
const siaAlarmed = "BFGHKMPQSTUWZ"

// siaStatus are second letters that mean trouble, bypass, supervision and the
// like under every alarmed first letter.
const siaStatus = "BCDEFGIJKLNOPSTUWYZ"

// classifySIA reads two letters. Codes that are in no list open as security.
func classifySIA(e Event) Meaning {
	c := e.Code
	if len(c) != 2 {
		return qualified(unknown(), e.Qualifier)
	}
	if siaTests[c] {
		return Meaning{Effect: EffectTest, Key: "test"}
	}
	if m, ok := siaAlarms[c]; ok {
		return qualified(m, e.Qualifier)
	}
	switch c[0] {
	case 'A', 'C', 'D', 'E', 'I', 'J', 'L', 'N', 'O', 'R', 'V', 'X', 'Y':
		// Mains, closing, doors, entry and exit, log, programming, listen-in,
		// activity, opening, remote, printer, equipment: states, no alarms.
		return status("status")
	}
	if strings.IndexByte(siaAlarmed, c[0]) >= 0 {
		switch {
		case c == "BC":
			return qualified(Meaning{Effect: EffectCancel, Key: "cancel"}, e.Qualifier)
		case c[1] == 'H' || c[1] == 'R':
			m := siaAlarms[c[:1]+"A"]
			m.Effect = EffectAttach
			return m
		case strings.IndexByte(siaStatus, c[1]) >= 0:
			return status("trouble")
		}
	}
	return qualified(unknown(), e.Qualifier)
}
