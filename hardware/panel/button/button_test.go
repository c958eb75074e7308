package button

import (
	"testing"

	"wardline/hardware/panel"
)

func mustNew(t *testing.T) *panel.Text {
	t.Helper()
	p, err := panel.Default(panel.Button)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func one(t *testing.T, d *panel.Text, s string) panel.Frame {
	t.Helper()
	fs := d.Feed([]byte(s))
	if len(fs) != 1 {
		t.Fatalf("%q gave %+v, want one frame", s, fs)
	}
	return fs[0]
}

func TestPanic_OpensAndIsAnsweredByItsNumberAfterTheSync(t *testing.T) {
	for _, s := range []string{"PANIC button-1 17\n", "PANIC button-1 17\r\n"} {
		f := one(t, mustNew(t), s)
		if f.Kind != panel.KindEvent || string(f.Reply) != "OK 17\n" || f.Immediate() || !f.Counter || !f.ReplyNamed || len(f.Events) != 1 {
			t.Fatalf("%q: %+v", s, f)
		}
		e := f.Events[0]
		if m := panel.Classify(e); e.Account != "button-1" || !m.Opens() || m.Category != panel.CategoryPanic || m.Silent {
			t.Fatalf("%q: %+v means %+v", s, e, m)
		}
	}
}

func TestPanic_RepeatsHaveTheSameKey_OthersNot(t *testing.T) {
	d := mustNew(t)
	a, b, c := one(t, d, "PANIC b 1\n"), one(t, d, "PANIC b 1\r\n"), one(t, d, "PANIC b 2\n")
	if string(a.ResendKey) != string(b.ResendKey) || string(a.ResendKey) == string(c.ResendKey) {
		t.Fatalf("%q %q %q", a.ResendKey, b.ResendKey, c.ResendKey)
	}
}

func TestPanic_WithoutNumber_IsStillAPanic(t *testing.T) {
	f := one(t, mustNew(t), "PANIC b\n")
	if f.Kind != panel.KindEvent || f.Counter || string(f.Reply) != "OK\n" || len(f.Flags) != 1 || f.Flags[0] != panel.FlagNoSequence {
		t.Fatalf("%+v", f)
	}
}

func TestPing_IsAnsweredAtOnce(t *testing.T) {
	if f := one(t, mustNew(t), "PING\n"); f.Kind != panel.KindHeartbeat || !f.Immediate() || string(f.Reply) != "PONG\n" {
		t.Fatalf("%+v", f)
	}
}

func TestOtherLines_AreKeptAndAnswered(t *testing.T) {
	for s, reply := range map[string]string{"HELLO\n": "OK\n", "panic b 1\n": "OK 1\n", "PANIC\n": "OK\n", "PANIC b 1 2\n": "OK 2\n", "PING 1\n": "OK\n"} {
		if f := one(t, mustNew(t), s); f.Kind != panel.KindUnfit || f.Immediate() || string(f.Reply) != reply || string(f.Raw) != s {
			t.Errorf("%q: %+v", s, f)
		}
	}
	if fs := mustNew(t).Feed([]byte("\n\r\n\n")); len(fs) != 0 {
		t.Errorf("empty lines gave %+v", fs)
	}
}

func TestBrokenLine_IsNotAnswered_SoThatItComesAgain(t *testing.T) {
	d := mustNew(t)
	if f := one(t, d, "PANIC b\xff 1\n"); f.Kind != panel.KindDamage || len(f.Reply) != 0 {
		t.Fatalf("%+v", f)
	}
	if f := one(t, d, "PANIC b 1\n"); f.Kind != panel.KindEvent {
		t.Fatalf("%+v", f)
	}
}
