package panel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func cid(code int, q Qualifier) Event {
	return Event{System: SystemContactID, Account: "1234", Code: fmt.Sprintf("%03d", code), Qualifier: q}
}

// opens is PANELS.md, Common rules, written once more from the other side.
func opens(code int) bool {
	switch {
	case code == 601 || code == 602 || code == 607 || code == 406:
		return false
	case code >= 140 && code <= 145, code >= 147 && code <= 149, code >= 300 && code <= 699:
		return false
	}
	return true // listed alarms, and unknown codes flagged
}

func TestClassify_EveryContactIDCode_FollowsTheRules(t *testing.T) {
	for code := range 1000 {
		m := Classify(cid(code, New))
		if m.Opens() != opens(code) {
			t.Errorf("%03d new: %+v, want open %v", code, m, opens(code))
		}
		if m.Opens() && (m.Category == "" || m.Key == "") {
			t.Errorf("%03d opens without category or key: %+v", code, m)
		}
		known := code >= 100 && code <= 162
		if m.Opens() && !known && (m.Category != CategorySecurity || len(m.Flags) == 0) {
			t.Errorf("%03d is unknown, got %+v, want security, flagged", code, m)
		}
		for _, q := range []Qualifier{Restore, Previous} {
			if m := Classify(cid(code, q)); m.Opens() || m.Effect == EffectCancel {
				t.Errorf("%03d %s: %+v", code, q, m)
			}
		}
	}
}

func TestClassify_TestCodes_NeverOpen(t *testing.T) {
	for _, code := range []int{601, 602, 607} {
		for _, q := range []Qualifier{New, Restore, Previous} {
			if m := Classify(cid(code, q)); m.Effect != EffectTest {
				t.Errorf("%d %s: %+v", code, q, m)
			}
		}
	}
}

func TestClassify_Categories(t *testing.T) {
	for _, c := range []struct {
		code     int
		category string
		silent   bool
	}{
		{100, "medical", false}, {101, "medical", false}, {102, "medical", false}, {110, "fire", false}, {115, "fire", false}, {118, "fire", false},
		{120, "panic", false}, {121, "panic", true}, {122, "panic", true}, {123, "panic", false}, {130, "crime", false}, {139, "crime", false},
		{146, "crime", true}, {150, "emergency", false}, {151, "emergency", false}, {162, "emergency", false}, {200, "security", false}, {999, "security", false},
	} {
		m := Classify(cid(c.code, New))
		if m.Category != c.category || m.Silent != c.silent {
			t.Errorf("%d: %+v, want %+v", c.code, m, c)
		}
		if r := Classify(cid(c.code, Restore)); r.Silent != c.silent || r.Category != c.category || r.Effect != EffectAttach {
			t.Errorf("%d restore: %+v: a silent alarm's restore must stay silent", c.code, r)
		}
	}
	if m := Classify(cid(406, New)); m.Effect != EffectCancel {
		t.Errorf("406: %+v", m)
	}
}

func TestClassify_SIA(t *testing.T) {
	for code, want := range map[string]Meaning{
		"FA": {Effect: EffectOpen, Category: "fire"}, "HA": {Effect: EffectOpen, Category: "panic", Silent: true}, "BA": {Effect: EffectOpen, Category: "crime"},
		"MA": {Effect: EffectOpen, Category: "medical"}, "GA": {Effect: EffectOpen, Category: "emergency"}, "RP": {Effect: EffectTest}, "TX": {Effect: EffectTest},
		"CL": {Effect: EffectStatus}, "OP": {Effect: EffectStatus}, "FT": {Effect: EffectStatus}, "AT": {Effect: EffectStatus}, "YC": {Effect: EffectStatus},
		"FH": {Effect: EffectAttach, Category: "fire"}, "HR": {Effect: EffectAttach, Category: "panic", Silent: true}, "BC": {Effect: EffectCancel},
		"FQ": {Effect: EffectOpen, Category: "security"}, "??": {Effect: EffectOpen, Category: "security"}, "F": {Effect: EffectOpen, Category: "security"},
	} {
		m := Classify(Event{System: SystemSIA, Code: code, Qualifier: New})
		if m.Effect != want.Effect || m.Category != want.Category || m.Silent != want.Silent {
			t.Errorf("%s: %+v, want %+v", code, m, want)
		}
		if Classify(Event{System: SystemSIA, Code: code, Qualifier: Previous}).Opens() {
			t.Errorf("%s sent again opens", code)
		}
	}
	if Classify(Event{System: SystemReceiver, Code: "FA", Qualifier: New}).Opens() {
		t.Error("a receiver's own event opens")
	}
}

func TestClassify_Basic(t *testing.T) {
	for code, want := range map[string]string{"1": "fire", "2": "panic", "3": "crime", "7": "medical", "8": "security", "Z": "security", "0": "", "4": "", "5": "", "6": "", "9": "", "C": ""} {
		if m := Classify(Event{System: SystemBasic, Code: code, Qualifier: New}); m.Opens() != (want != "") || m.Category != want {
			t.Errorf("%s: %+v, want %q", code, m, want)
		}
	}
}

func TestCombine_OneAlarmAmongStatuses_Opens(t *testing.T) {
	m := Combine([]Event{{System: SystemSIA, Code: "CL", Qualifier: New}, {System: SystemSIA, Code: "FA", Qualifier: New}, {System: SystemSIA, Code: "HA", Qualifier: New}})
	if !m.Opens() || m.Category != "fire" || !m.Silent {
		t.Errorf("%+v: a frame with a silent alarm in it is silent as a whole", m)
	}
}

func TestProfile_Defaults_AreValid(t *testing.T) {
	for _, p := range []Protocol{SurGard, Button} {
		pr, err := Default(p)
		if err != nil || pr.Validate() != nil {
			t.Errorf("%s: %v, %v", p, err, pr.Validate())
		}
		if pr.ResendWindow != 120*time.Second {
			t.Errorf("%s: resend window %v", p, pr.ResendWindow)
		}
	}
}

func TestProfile_Validate_NamesTheFieldAndBothValues(t *testing.T) {
	for field, change := range map[string]func(*Profile){
		"protocol":       func(p *Profile) { p.Protocol = "x" },
		"baud":           func(p *Profile) { p.Baud = 19201 },
		"size":           func(p *Profile) { p.Size = 9 },
		"stop_bits":      func(p *Profile) { p.StopBits = 0 },
		"parity":         func(p *Profile) { p.Parity = "mark" },
		"header_width":   func(p *Profile) { p.HeaderWidth = 4 },
		"terminator":     func(p *Profile) { p.Terminator = 'x' },
		"retries":        func(p *Profile) { p.Retries = -1 },
		"timeout":        func(p *Profile) { p.Timeout = time.Hour },
		"resend_window":  func(p *Profile) { p.ResendWindow = 79 * time.Second },
		"gap":            func(p *Profile) { p.Gap = 4 * time.Second },
		"supervision":    func(p *Profile) { p.Supervision = time.Millisecond },
		"appended_clock": func(p *Profile) { p.Protocol, p.HeaderWidth, p.AppendedClock = Button, 0, true },
	} {
		p, _ := Default(SurGard)
		change(&p)
		var pe *ProfileError
		if err := p.Validate(); !errors.As(err, &pe) || pe.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	p, _ := Default(SurGard)
	p.ResendWindow = 79 * time.Second
	if s := p.Validate().Error(); !strings.Contains(s, "1m19s") || !strings.Contains(s, "1m20s") {
		t.Errorf("%s: should print both values", s)
	}
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestSupervisor_SilentSince_IsTheLastByteAndSurvivesARestart(t *testing.T) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := NewSupervisor(90*time.Second, SupervisorState{}, c.now)
	c.t = c.t.Add(time.Minute)
	s.Heard()
	last := c.t
	c.t = c.t.Add(80 * time.Second)
	if _, ok := s.Check(); ok {
		t.Fatal("silent too early")
	}
	// The station restarts: what it stored is all that it knows.
	s = NewSupervisor(90*time.Second, s.State(), c.now)
	if d := s.Next(); d != 10*time.Second {
		t.Fatalf("next look in %v, want 10s: a restart must not start the count anew", d)
	}
	c.t = c.t.Add(10 * time.Second)
	ch, ok := s.Check()
	if !ok || !ch.Silent || !ch.Since.Equal(last) || ch.Never {
		t.Fatalf("%+v %v, want silent since %v", ch, ok, last)
	}
	s = NewSupervisor(90*time.Second, s.State(), c.now)
	c.t = c.t.Add(time.Hour)
	if _, ok := s.Check(); ok {
		t.Fatal("the same silence was reported again after a restart")
	}
	if ch, back := s.Heard(); !back || ch.Silent || !ch.Since.Equal(last) {
		t.Fatalf("%+v %v, want back, silent since %v", ch, back, last)
	}
}

func TestSupervisor_ClockBehindTheStoredState_StillReportsSilence(t *testing.T) {
	c := &clock{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)} // no battery clock
	stored := SupervisorState{LastByte: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := NewSupervisor(90*time.Second, stored, c.now)
	c.t = c.t.Add(90 * time.Second)
	if ch, ok := s.Check(); !ok || !ch.Since.Equal(stored.LastByte) {
		t.Fatalf("%+v %v", ch, ok)
	}
}

func TestSupervisor_NeverHeard_SaysSo(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	s := NewSupervisor(time.Second, SupervisorState{}, c.now)
	c.t = c.t.Add(time.Second)
	if ch, ok := s.Check(); !ok || !ch.Never {
		t.Fatalf("%+v %v", ch, ok)
	}
	if off := NewSupervisor(0, SupervisorState{}, c.now); off.Next() != 0 {
		t.Fatal("an unsupervised line is watched")
	}
}

func TestFrame_RepeatKey_CountersOnlyWithinOneSession(t *testing.T) {
	f := Frame{Kind: KindEvent, ResendKey: []byte("PANIC b 1"), Counter: true}
	if string(f.RepeatKey("a")) == string(f.RepeatKey("b")) {
		t.Error("a counter is compared across sessions")
	}
	f.Counter = false
	if string(f.RepeatKey("a")) != string(f.RepeatKey("b")) {
		t.Error("a record's resend is not recognised after the line was opened anew")
	}
	if (&Frame{Kind: KindHeartbeat}).RepeatKey("a") != nil {
		t.Error("a heartbeat has a key")
	}
}
