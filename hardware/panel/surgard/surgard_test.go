package surgard

import (
	"fmt"
	"strings"
	"testing"

	"wardline/hardware/panel"
)

func mustNew(t *testing.T, change ...func(*panel.Profile)) *panel.Text {
	t.Helper()
	p, err := panel.Default(panel.SurGard)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&p)
	}
	d, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wide(p *panel.Profile)  { p.HeaderWidth = 5 }
func clock(p *panel.Profile) { p.AppendedClock = true }

func one(t *testing.T, d *panel.Text, s string) panel.Frame {
	t.Helper()
	fs := d.Feed([]byte(s))
	if len(fs) != 1 {
		t.Fatalf("%q gave %+v, want one frame", s, fs)
	}
	return fs[0]
}

func show(e panel.Event) string {
	return strings.Join(strings.Fields(fmt.Sprintln(e.System, e.Receiver, e.Line, e.Account, e.Qualifier, e.Code, e.Group, e.Zone, e.Fields, e.Flags)), " ")
}

func TestRecords_BothHeaderWidths(t *testing.T) {
	for _, c := range []struct {
		width func(*panel.Profile)
		text  string
		want  string
	}{
		{func(*panel.Profile) {}, "5011 181234E12101001\x14", "contact_id 01 1 1234 new 121 01 001 map[] []"},
		{func(*panel.Profile) {}, "5011 18BCDFR13000C01\x14", "contact_id 01 1 BCDF restore 130 00 C01 map[] []"},
		{func(*panel.Profile) {}, "5011 98 123P11001001\x14", "contact_id 01 1 123 previous 110 01 001 map[] [short_account]"},
		{wide, "501002 181234E11001001\x14", "contact_id 01 002 1234 new 110 01 001 map[] []"},
		{wide, "101002      1234 11001\x14", "basic 01 002 1234 new 1 1 001 map[] []"},
		{func(*panel.Profile) {}, "1011      1234 91001\x14", "basic 01 1 1234 restore 9 1 001 map[] []"},
		{func(*panel.Profile) {}, "3011    123456BA0012\x14", "sia 01 1 123456 new BA 0012 map[] []"},
		{func(*panel.Profile) {}, "3011      1234FA0012\x14", "sia 01 1 1234 new FA 0012 map[] []"},
		{wide, "S01002[#1234|Nri01/BA0001]\x14", "sia 01 002 1234 new BA 01 0001 map[ri:01] []"},
		{wide, "S01002[#1234|Nri01BA0001*\"Hall\"NM]\x14", "sia 01 002 1234 new BA 01 0001 map[ri:01 text:Hall\"NM] []"},
		{wide, "001002[#0000|NRT01]\x14", "receiver 01 002 0000 new RT 01 map[] []"},
		{clock, "5011 181234E12101001 23:59:58 01/02\x14", "contact_id 01 1 1234 new 121 01 001 map[clock:23:59:58 01/02] []"},
	} {
		f := one(t, mustNew(t, c.width), c.text)
		if f.Kind != panel.KindEvent || len(f.Events) != 1 || string(f.Reply) != "\x06" || f.Immediate() || f.ReplyNamed {
			t.Errorf("%q: %+v", c.text, f)
			continue
		}
		if got := show(f.Events[0]); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
		if string(f.ResendKey)+"\x14" != c.text || string(f.Raw) != c.text {
			t.Errorf("%q: key %q raw %q", c.text, f.ResendKey, f.Raw)
		}
	}
}

func TestBlock_SeveralEvents_KeepTheirOwnArea(t *testing.T) {
	f := one(t, mustNew(t, wide), "S01002[#1234|Nri1/BA01/FA02/ri2/OP0033]\x14")
	if len(f.Events) != 3 || f.Events[1].Code != "FA" || f.Events[1].Group != "1" || f.Events[2].Group != "2" || f.Events[2].Zone != "0033" {
		t.Fatalf("%+v", f)
	}
	f = one(t, mustNew(t, wide), "S01002[#1234|OBA01]\x14")
	if f.Events[0].Qualifier != panel.Previous || panel.Classify(f.Events[0]).Opens() {
		t.Fatalf("an old event opens: %+v", f)
	}
}

func TestHeartbeats_BothWidths_AreAnsweredAtOnce(t *testing.T) {
	three, five := "1011"+heartbeat+"\x14", "101000"+heartbeat+"\x14"
	for _, c := range []struct {
		d       *panel.Text
		text    string
		flagged bool
	}{{mustNew(t), three, false}, {mustNew(t), five, true}, {mustNew(t, wide), five, false}, {mustNew(t, wide), three, true}} {
		f := one(t, c.d, c.text)
		if f.Kind != panel.KindHeartbeat || string(f.Reply) != "\x06" || !f.Immediate() || (len(f.Flags) == 1) != c.flagged {
			t.Errorf("%q: %+v", c.text, f)
		}
	}
}

func TestUnfit_WholeFramesThatFitNothing_AreKeptAndAcknowledged(t *testing.T) {
	d := mustNew(t)
	for _, s := range []string{
		"hello\x14", "5011 181234E12101001X\x14", "5011 171234E12101001\x14", "1011      12345C1128\x14", "4011 181234E12101001\x14",
		"501001 181234E12101001\x14", "S01002[#1234|Xri1]\x14", "S011[#1234|Nri1/B]\x14", "5011 181234E12101001 23:59:58 01/02\x14",
	} {
		if f := one(t, d, s); f.Kind != panel.KindUnfit || string(f.Reply) != "\x06" || string(f.Raw) != s || f.Immediate() {
			t.Errorf("%q: %+v", s, f)
		}
	}
	// A record of the other header width is whole; a resend would not change it.
	if f := one(t, mustNew(t, wide), "5011 181234E12101001\x14"); f.Kind != panel.KindUnfit {
		t.Errorf("%+v", f)
	}
}

func TestDamage_IsAskedForAgain(t *testing.T) {
	const good = "5011 181234E12101001\x14"
	for name, s := range map[string]string{
		"high bit": "5011 1812\xb34E12101001\x14", "control byte": "5011 181\x034E12101001\x14", "beginning lost": "1234E12101001\x14",
		"first byte lost": good[1:], "too long": strings.Repeat("5", maxFrame),
	} {
		d := mustNew(t)
		if f := one(t, d, s); f.Kind != panel.KindDamage || string(f.Reply) != "\x15" || !f.Immediate() {
			t.Errorf("%s: %+v", name, f)
		}
		if name == "too long" {
			if fs := d.Feed([]byte("still the same frame\x14")); len(fs) != 0 {
				t.Errorf("%s: the rest gave %+v", name, fs)
			}
		}
		if f := one(t, d, good); f.Kind != panel.KindEvent {
			t.Errorf("%s: the resend gave %+v", name, f)
		}
	}
}

func TestDamage_ParityMark_BreaksOnlyItsFrame(t *testing.T) {
	d := mustNew(t)
	d.Feed([]byte("5011 1812"))
	d.Damage()
	if f := one(t, d, "4E12101001\x14"); f.Kind != panel.KindDamage || string(f.Reply) != "\x15" {
		t.Fatalf("%+v", f)
	}
	if f := one(t, d, "5011 181234E12101001\x14"); f.Kind != panel.KindEvent {
		t.Fatalf("%+v", f)
	}
}

func TestDamage_TheSameBytesAgainAndAgain_AreKeptInsteadOfBlockingTheQueue(t *testing.T) {
	d := mustNew(t)
	const s = "\xb5\xb0\xb1\xb1 181234E12101001\x14" // a line set to 8 bits where 7 are sent
	for i := range panel.DamageLimit {
		if f := one(t, d, s); f.Kind != panel.KindDamage {
			t.Fatalf("time %d: %+v", i+1, f)
		}
	}
	f := one(t, d, s)
	if f.Kind != panel.KindUnfit || string(f.Reply) != "\x06" || len(f.Flags) != 1 || f.Flags[0] != panel.FlagDamaged || string(f.Raw) != s {
		t.Fatalf("%+v", f)
	}
}

func TestIdle_TornFrame_IsNotGluedToItsResend(t *testing.T) {
	d := mustNew(t)
	if fs := d.Feed([]byte("5011 18")); len(fs) != 0 || d.Pending() != 7 {
		t.Fatalf("%+v", fs)
	}
	fs := d.Idle()
	if len(fs) != 1 || fs[0].Kind != panel.KindDamage || string(fs[0].Reply) != "\x15" {
		t.Fatalf("%+v", fs)
	}
	if f := one(t, d, "5011 181234E12101001\x14"); f.Kind != panel.KindEvent {
		t.Fatalf("%+v", f)
	}
	if fs := d.Idle(); len(fs) != 0 {
		t.Fatalf("silence gave %+v", fs)
	}
}

func TestLineEndsBetweenFrames_AreFlagged(t *testing.T) {
	d := mustNew(t)
	f := one(t, d, "\r\n5011 181234E12101001\x14")
	if f.Kind != panel.KindEvent || len(f.Flags) != 1 || f.Flags[0] != panel.FlagLineEnd || string(f.ResendKey) != "5011 181234E12101001" {
		t.Fatalf("%+v", f)
	}
	if d.Feed([]byte("\n")); len(d.Idle()) != 0 {
		t.Fatal("a line end alone was called damage")
	}
	if fs := d.Feed([]byte("\x14\r\n\x14")); len(fs) != 0 {
		t.Fatalf("terminators alone gave %+v", fs)
	}
}

func BenchmarkFeed(b *testing.B) {
	p, _ := panel.Default(panel.SurGard)
	d, err := New(p)
	if err != nil {
		b.Fatal(err)
	}
	rec := []byte("5011 181234E12101001\x14")
	b.SetBytes(int64(len(rec)))
	b.ReportAllocs()
	for b.Loop() {
		if len(d.Feed(rec)) != 1 {
			b.Fatal("no frame")
		}
	}
}
