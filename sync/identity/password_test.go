package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"wardline/sync/record"
)

func TestVerifier_PasswordInEitherSpelling_FitsItselfAlone(t *testing.T) {
	composed, parts := "tr\u1ea7n h\u01b0ng \u0111\u1ea1o 1285", "tra\u0302\u0300n hu\u031bng \u0111a\u0323o 1285"
	v := NewVerifier(composed)
	for _, c := range []struct {
		password string
		fits     bool
	}{{composed, true}, {parts, true}, {composed + " ", false}, {"", false}} {
		ok, err := CheckVerifier(v, c.password)
		if err != nil || ok != c.fits {
			t.Errorf("%q: %v, %v", c.password, ok, err)
		}
	}
	if v == NewVerifier(composed) {
		t.Error("two verifiers of one password are the same")
	}
	if ok, err := CheckVerifier(nobody, ""); ok || err != nil {
		t.Errorf("the verifier of nobody: %v, %v", ok, err)
	}
}

// TestVerifier_Damaged_IsRefusedAndTakesNoMemory: a verifier is data from elsewhere.
func TestVerifier_Damaged_IsRefusedAndTakesNoMemory(t *testing.T) {
	good := NewVerifier("a password of some length")
	for _, v := range []string{"", "$", "plain", good[:40], good + "A", strings.Replace(good, "m=32768", "m=4194304", 1), strings.Replace(good, "t=3", "t=4000000000", 1),
		strings.Replace(good, "t=3", "t=0", 1), strings.Replace(good, "p=1", "p=200", 1), strings.Replace(good, "m=32768", "m=1", 1), strings.Replace(good, "argon2id", "argon2i", 1)} {
		if ok, err := CheckVerifier(v, "a password of some length"); ok || !errors.Is(err, ErrVerifier) {
			t.Errorf("%q: %v, %v", v, ok, err)
		}
	}
}

func FuzzCheckVerifier(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(nobody)
	f.Fuzz(func(t *testing.T, v string) {
		if strings.Contains(v, "m=") && len(v) > 20 && !strings.Contains(v, "m=8,t=1,p=1$") {
			t.Skip() // a real hash takes a tenth of a second
		}
		if ok, err := CheckVerifier(v, "x"); ok && err != nil {
			t.Error("fits and is damaged")
		}
	})
}

func TestCheckPassword_WeakOnes_AreNamed(t *testing.T) {
	for p, ok := range map[string]bool{"ngắn quá": false, "aaaaaaaaaaaaaaaa": false, "ward-26704 is mine": true, "lan.nguyen 2026": false, "i am lan.nguyen, hello": true, strings.Repeat("abcdefgh", 17): false,
		"bốn con mèo ngồi": true, "\xff\xfe012345678901": false} {
		if err := CheckPassword("lan.nguyen", p); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// oneAccount is a directory's source with one account.
type oneAccount struct {
	a        Account
	verifier string
}

func (o oneAccount) Account(user string) (Account, bool, error) { return o.a, user == o.a.User, nil }
func (o oneAccount) Verifier(Account) (string, error) {
	if o.verifier == "" {
		return "", record.ErrSealed
	}
	return o.verifier, nil
}
func (o oneAccount) OfUnit(record.UnitID) ([]Officer, error) { return []Officer{o.a.Officer()}, nil }
func (o oneAccount) HasUnit(u record.UnitID) (bool, error)   { return o.a.Unit == u, nil }
func (o oneAccount) Begun() (bool, error)                    { return o.a.User != "", nil }

func TestLogIn_Account_OnlyWithItsPasswordAndWhileEnabled(t *testing.T) {
	const right = "bốn con mèo ngồi"
	a := Account{User: "lan", Role: WardOfficer, Unit: "ward/26704", Index: 7}
	disabled := a
	disabled.Disabled = true
	v := NewVerifier(right)
	for _, c := range []struct {
		from           oneAccount
		user, password string
		ok             bool
	}{{oneAccount{a, v}, "lan", right, true}, {oneAccount{a, v}, "LAN", right, true}, {oneAccount{a, v}, "lan", "wrong", false}, {oneAccount{a, v}, "minh", right, false},
		{oneAccount{disabled, v}, "lan", right, false}, {oneAccount{a, ""}, "lan", right, false}} {
		d := NewDirectory()
		d.UseAccounts(c.from)
		o, err := d.LogIn(t.Context(), c.user, c.password, false)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrWrong) || c.ok && o != a.Officer() {
			t.Errorf("%+v: %+v, %v", c, o, err)
		}
	}
}

// TestLogIn_ConfiguredOfficer_IsNobodyOnceThereAreAccounts: what stands in a file is
// for the beginning alone.
func TestLogIn_ConfiguredOfficer_IsNobodyOnceThereAreAccounts(t *testing.T) {
	d := NewDirectory()
	secret := NewSecret()
	if err := d.AddOfficer(Officer{User: "First", Role: Administrator, Unit: record.Command}, secret); err != nil {
		t.Fatal(err)
	}
	d.UseAccounts(oneAccount{})
	if _, err := d.LogIn(t.Context(), "first", secret, false); err != nil {
		t.Errorf("before there are accounts: %v", err)
	}
	d.UseAccounts(oneAccount{a: Account{User: "lan", Role: Administrator, Unit: record.Command, Index: 1}})
	if _, err := d.LogIn(t.Context(), "first", secret, false); !errors.Is(err, ErrWrong) {
		t.Errorf("once there are: %v", err)
	}
	if _, ok := d.OfficerByUser("first"); ok {
		t.Error("a session of a configured officer goes on")
	}
}

// TestLogIn_FloodOfStrangers_LeavesTheKnownDeskItsTurn: one flood takes one turn.
func TestLogIn_FloodOfStrangers_LeavesTheKnownDeskItsTurn(t *testing.T) {
	h := newHashing()
	ctx, cancel := context.WithCancel(t.Context())
	inside, out := make(chan struct{}), make(chan error, maxWaiting+8)
	go func() {
		out <- h.turn(ctx, false, func() { close(inside); <-ctx.Done() })
	}()
	<-inside
	for range maxWaiting + 7 {
		go func() {
			out <- h.turn(ctx, false, func() {
				if ctx.Err() == nil {
					t.Error("two at a time")
				}
			})
		}()
	}
	for range 8 { // those for whom there is no room to wait
		if err := <-out; !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	done := false
	if err := h.turn(ctx, true, func() { done = true }); err != nil || !done {
		t.Errorf("the known desk had to wait: %v", err)
	}
	cancel()
	for range maxWaiting {
		select {
		case <-out:
		case <-time.After(30 * time.Second):
			t.Fatal("a log-in hangs")
		}
	}
}

func BenchmarkLogIn(b *testing.B) {
	v := NewVerifier("bốn con mèo ngồi")
	for b.Loop() {
		if ok, err := CheckVerifier(v, "bốn con mèo ngồi"); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
