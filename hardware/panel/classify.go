package panel

import "strconv"

// Effect is what an event does.
type Effect uint8

const (
	// EffectStatus: shown at the desk, opens nothing.
	EffectStatus Effect = iota + 1
	// EffectOpen opens an incident of the meaning's category.
	EffectOpen
	// EffectAttach: a restore or "still present"; belongs to its alarm, never opens.
	EffectAttach
	// EffectCancel: a user cancelled. Linked to its alarm, which stays as it is.
	EffectCancel
	// EffectTest never opens an incident, whatever else it carries.
	EffectTest
)

// String is the word for logs and screens.
func (e Effect) String() string {
	switch e {
	case EffectStatus:
		return "status"
	case EffectOpen:
		return "open"
	case EffectAttach:
		return "attach"
	case EffectCancel:
		return "cancel"
	case EffectTest:
		return "test"
	}
	return "unknown"
}

// The categories that an alarm can open, as the report's words spell them.
const (
	CategoryPanic     = "panic"
	CategoryFire      = "fire"
	CategoryMedical   = "medical"
	CategoryCrime     = "crime"
	CategoryEmergency = "emergency"
	CategorySecurity  = "security"
)

// Meaning is what an event does and, where it opens an incident or belongs
// to one, of which category.
type Meaning struct {
	Effect Effect
	// Category is set for alarms, their restores and previous; empty otherwise.
	Category string
	// Silent: it must not show or ring on anything in the place of the alarm, and
	// no progress goes back to the device. Also set for what attaches to one.
	Silent bool
	// Key names the meaning for screens and logs: "duress", "fire", "low_battery".
	Key   string
	Flags []Flag
}

// Opens says whether the event opens an incident.
func (m Meaning) Opens() bool { return m.Effect == EffectOpen }

// Classify says what an event does. It never fails: an unknown code opens as
// security, flagged, because silence would be the worse mistake.
func Classify(e Event) Meaning {
	switch e.System {
	case SystemContactID:
		return classifyContactID(e)
	case SystemSIA:
		return classifySIA(e)
	case SystemBasic:
		return classifyBasic(e)
	case SystemReceiver:
		return Meaning{Effect: EffectStatus, Key: "receiver"}
	case SystemButton:
		if e.Code == "PANIC" {
			return qualified(alarm("panic_button", CategoryPanic, false), e.Qualifier)
		}
	}
	return qualified(unknown(), e.Qualifier)
}

// Combine says which of several events of one frame decides how the frame is
// handled: the first that opens an incident; else the first. Silent holds if any is silent.
func Combine(events []Event) Meaning {
	var m Meaning
	silent := false
	for _, e := range events {
		n := Classify(e)
		silent = silent || n.Silent
		if m.Effect == 0 || !m.Opens() && n.Opens() {
			m = n
		}
	}
	m.Silent = silent
	return m
}

func alarm(key, category string, silent bool, flags ...Flag) Meaning {
	return Meaning{Effect: EffectOpen, Category: category, Silent: silent, Key: key, Flags: flags}
}

func status(key string) Meaning { return Meaning{Effect: EffectStatus, Key: key} }

func unknown() Meaning {
	return alarm("unknown", CategorySecurity, false, FlagUnknownCode)
}

// qualified turns an alarm into what attaches to it when it is not new.
func qualified(m Meaning, q Qualifier) Meaning {
	if q != New && (m.Effect == EffectOpen || m.Effect == EffectCancel) {
		m.Effect = EffectAttach
	}
	return m
}

// classifyContactID reads the three digits of SIA DC-05.
func classifyContactID(e Event) Meaning {
	n, err := strconv.Atoi(e.Code)
	if err != nil || len(e.Code) != 3 || n < 0 {
		return qualified(unknown(), e.Qualifier)
	}
	switch n {
	case 601, 602, 607:
		return Meaning{Effect: EffectTest, Key: "test"}
	case 406:
		return qualified(Meaning{Effect: EffectCancel, Key: "cancel"}, e.Qualifier)
	}
	return qualified(contactIDNumber(n), e.Qualifier)
}

func contactIDNumber(n int) Meaning {
	switch {
	case n >= 100 && n <= 102:
		return alarm("medical", CategoryMedical, false)
	case n >= 103 && n <= 109:
		return alarm("medical", CategoryMedical, false, FlagUnlistedCode)
	case n == 115:
		return alarm("pull_station", CategoryFire, false)
	case n >= 110 && n <= 118:
		return alarm("fire", CategoryFire, false)
	case n == 119:
		return alarm("fire", CategoryFire, false, FlagUnlistedCode)
	case n == 120:
		return alarm("panic", CategoryPanic, false)
	case n == 121:
		return alarm("duress", CategoryPanic, true)
	case n == 122:
		return alarm("silent_panic", CategoryPanic, true)
	case n == 123:
		return alarm("audible_panic", CategoryPanic, false)
	case n == 124, n == 125:
		// Duress at a door (DC-05): access and egress granted under threat.
		return alarm("duress", CategoryPanic, true, FlagUnlistedCode)
	case n >= 126 && n <= 129:
		return alarm("panic", CategoryPanic, false, FlagUnlistedCode)
	case n >= 130 && n <= 139:
		return alarm("burglary", CategoryCrime, false)
	case n == 146:
		return alarm("silent_burglary", CategoryCrime, true)
	case n >= 140 && n <= 149:
		return status("general")
	case n == 151:
		return alarm("gas", CategoryEmergency, false)
	case n == 162:
		return alarm("carbon_monoxide", CategoryEmergency, false)
	case n >= 150 && n <= 162:
		return alarm("technical", CategoryEmergency, false)
	case n >= 300 && n <= 699:
		return status(contactIDStatus(n))
	}
	return unknown()
}

func contactIDStatus(n int) string {
	switch n {
	case 301:
		return "mains"
	case 302:
		return "low_battery"
	case 350:
		return "communication"
	case 381:
		return "supervision"
	case 401:
		return "open_close"
	case 570:
		return "bypass"
	}
	switch n / 100 {
	case 3:
		return "trouble"
	case 4:
		return "access"
	case 5:
		return "disabled"
	}
	return "test_misc"
}

// classifyBasic reads the one character of a receiver's basic record.
func classifyBasic(e Event) Meaning {
	switch e.Code {
	case "0":
		return Meaning{Effect: EffectTest, Key: "test"}
	case "1":
		return qualified(alarm("fire", CategoryFire, false), e.Qualifier)
	case "2":
		return qualified(alarm("panic", CategoryPanic, false), e.Qualifier)
	case "3":
		return qualified(alarm("burglary", CategoryCrime, false), e.Qualifier)
	case "4", "C":
		return status("armed")
	case "5":
		return status("disarmed")
	case "6":
		return status("service")
	case "7":
		return qualified(alarm("medical", CategoryMedical, false), e.Qualifier)
	case "9":
		return Meaning{Effect: EffectAttach, Key: "restore"}
	}
	return qualified(unknown(), e.Qualifier)
}
