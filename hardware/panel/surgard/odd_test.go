package surgard

import (
	"testing"

	"wardline/hardware/panel"
)

const whole = "5011 181234E12101001\x14"

func TestOdd_HowTheStreamIsCut_ChangesNothing(t *testing.T) {
	d := mustNew(t)
	fs := d.Feed([]byte(whole + "5011 181234R12101001\x14" + "1011" + heartbeat + "\x14"))
	if len(fs) != 3 || fs[0].Kind != panel.KindEvent || fs[1].Events[0].Qualifier != panel.Restore || fs[2].Kind != panel.KindHeartbeat {
		t.Fatalf("three frames in one write: %+v", fs)
	}
	for i := range whole {
		fs = d.Feed([]byte(whole[i : i+1]))
		if last := i == len(whole)-1; (len(fs) == 1) != last {
			t.Fatalf("byte %d gave %+v", i, fs)
		}
	}
	if fs[0].Kind != panel.KindEvent || string(fs[0].Raw) != whole {
		t.Fatalf("byte by byte: %+v", fs)
	}
}

// A record behind noise is asked for again; its resend is read. A sender that
// always writes the noise is believed, flagged, at the third time.
func TestOdd_GarbageBeforeAFrame_IsAskedForAgain_AndNeverLosesTheAlarm(t *testing.T) {
	for _, noise := range []string{"x", "garbage ", "5011 1812", "501", "\r\n??"} {
		d := mustNew(t)
		for range panel.DamageLimit {
			if f := one(t, d, noise+whole); f.Kind != panel.KindDamage || string(f.Reply) != "\x15" || len(f.Events) != 0 || len(f.ResendKey) != 0 {
				t.Fatalf("%q: %+v", noise, f)
			}
		}
		f := one(t, d, noise+whole)
		if f.Kind != panel.KindEvent || string(f.Reply) != "\x06" || f.Immediate() || len(f.Events) != 1 || f.Events[0].Code != "121" || f.Flags[0] != panel.FlagDamaged || string(f.Raw) != noise+whole {
			t.Fatalf("%q: %+v", noise, f)
		}
		clean := one(t, d, whole)
		if string(clean.ResendKey) != string(f.ResendKey) {
			t.Fatalf("%q: the clean resend has another key: %q %q", noise, f.ResendKey, clean.ResendKey)
		}
	}
	if f := one(t, mustNew(t), "\x00\xff"+whole); f.Kind != panel.KindDamage || string(f.Reply) != "\x15" {
		t.Fatalf("%+v", f)
	}
}

func TestOdd_FiveDigitHeader_OnAThreeDigitLine_IsKeptAndAcknowledged(t *testing.T) {
	for _, s := range []string{"501001 181234E12101001\x14", "505011 181234E12101001\x14", "105011      1234 11001\x14"} {
		if f := one(t, mustNew(t), s); f.Kind != panel.KindUnfit || string(f.Reply) != "\x06" || f.Immediate() {
			t.Errorf("%q: %+v", s, f)
		}
	}
}

func TestOdd_WhatRecordsDo(t *testing.T) {
	for text, want := range map[string]struct {
		effect   panel.Effect
		category string
		flag     panel.Flag
	}{
		"5011 18  12E13001001\x14": {panel.EffectOpen, "crime", panel.FlagShortAccount},
		"5011 18123 E13001001\x14": {panel.EffectOpen, "crime", panel.FlagShortAccount},
		"5011 181234E77701001\x14": {panel.EffectOpen, "security", panel.FlagUnknownCode},
		"5011 181234R77701001\x14": {panel.EffectAttach, "security", panel.FlagUnknownCode},
		"5011 181234R11001001\x14": {panel.EffectAttach, "fire", ""},
		"5011 181234P12001001\x14": {panel.EffectAttach, "panic", ""},
		"5011 181234E40101001\x14": {panel.EffectStatus, "", ""},
		"5011 181234E40601001\x14": {panel.EffectCancel, "", ""},
		"5011 181234E60201001\x14": {panel.EffectTest, "", ""},
		"1011      1234 01001\x14": {panel.EffectTest, "", ""},
		"1011      1234 11001\x14": {panel.EffectOpen, "fire", ""},
		"1011      1234 21001\x14": {panel.EffectOpen, "panic", ""},
		"1011      1234 31001\x14": {panel.EffectOpen, "crime", ""},
		"1011      1234 41001\x14": {panel.EffectStatus, "", ""},
		"1011      1234 51001\x14": {panel.EffectStatus, "", ""},
		"1011      1234 61001\x14": {panel.EffectStatus, "", ""},
		"1011      1234 71001\x14": {panel.EffectOpen, "medical", ""},
		"1011      1234 91001\x14": {panel.EffectAttach, "", ""},
		"1011      1234 C1001\x14": {panel.EffectStatus, "", ""},
		"1011      1234 Z1001\x14": {panel.EffectOpen, "security", panel.FlagUnknownCode},
		"1011        12 11001\x14": {panel.EffectOpen, "fire", panel.FlagShortAccount},
	} {
		f := one(t, mustNew(t), text)
		if f.Kind != panel.KindEvent || string(f.Reply) != "\x06" || f.Immediate() {
			t.Errorf("%q: %+v", text, f)
			continue
		}
		m := panel.Classify(f.Events[0])
		flags := append(f.Events[0].Flags, m.Flags...)
		if m.Effect != want.effect || m.Category != want.category || (len(flags) == 1) != (want.flag != "") || len(flags) == 1 && flags[0] != want.flag {
			t.Errorf("%q means %+v, flags %v; want %+v", text, m, flags, want)
		}
	}
}
