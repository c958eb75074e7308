package identity

import (
	"testing"

	"wardline/sync/record"
)

type logOf map[string]Credential

func (l logOf) Credential(id string) (Credential, bool) { c, ok := l[id]; return c, ok }

func TestCredentials_LogStandsOverTheConfiguration(t *testing.T) {
	d := NewDirectory()
	password := NewSecret()
	for _, id := range []string{"app-1", "app-2"} {
		if err := d.AddDevice(Device{ID: id, Ward: "26704", Kind: "app"}, password); err != nil {
			t.Fatal(err)
		}
	}
	kiosk, secret := NewCredential(Device{ID: "kiosk-1", Ward: "26704", Kind: "kiosk"})
	other, _ := NewCredential(Device{ID: "kiosk-2", Ward: "26704", Kind: "kiosk"})
	if err := kiosk.Validate(); err != nil {
		t.Fatal(err)
	}
	d.UseCredentials(logOf{"kiosk-1": kiosk, "kiosk-2": other, "app-2": {ID: "app-2", Revoked: true}})
	for _, c := range []struct {
		id, secret string
		want       bool
	}{
		{"kiosk-1", secret, true}, {"kiosk-1", secret + "x", false}, {"kiosk-1", "", false}, {"kiosk-2", secret, false}, {"kiosk-3", secret, false},
		{"app-1", password, true}, {"app-2", password, false},
	} {
		got, ok := d.Device(c.id, c.secret)
		if ok != c.want || ok && got.ID != c.id {
			t.Errorf("%s: %v, want %v", c.id, ok, c.want)
		}
	}
	kiosk.Revoked = true
	if kiosk.Admits(secret) {
		t.Error("a revoked device is admitted")
	}
	if (&Credential{ID: "x"}).Admits("") {
		t.Error("a credential without a secret admits anybody")
	}
}

func FuzzCredentialOf(f *testing.F) {
	c, _ := NewCredential(Device{ID: "kiosk-1", Ward: "26704", Kind: "kiosk"})
	f.Add([]byte(`{"id":"a","revoked":true}`))
	f.Add([]byte(`{"id":"` + c.ID + `","kind":"kiosk","salt":"AAAAAAAAAAAAAAAAAAAAAA==","sum":"AA=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := CredentialOf(&record.Body{Kind: record.KindDevice, Origin: record.CoreOrigin, Payload: record.Payload{Data: data}})
		if err == nil && got.Validate() != nil {
			t.Error("taken and not valid")
		}
		_ = got.Admits("x")
	})
}
