package identity

import (
	"net/netip"
	"testing"
	"time"

	"wardline/sync/record"
)

func TestInstalls_Registered_IsKnownAtEveryNodeByItsPasswordAlone(t *testing.T) {
	key := [32]byte{1}
	a, b := NewInstalls(key, time.Now, nil), NewInstalls(key, time.Now, func(id string) bool { return false })
	other := NewInstalls([32]byte{2}, time.Now, nil)
	for _, ward := range []string{"", "26704"} {
		dev, password, ok := a.Register(netip.MustParseAddr("203.0.113.9"), record.WardCode(ward))
		if !ok || string(dev.Ward) != ward || dev.Kind != "app" {
			t.Fatalf("%+v %v", dev, ok)
		}
		dir := NewDirectory()
		dir.UseInstalls(b)
		if got, ok := dir.Device(dev.ID, password); !ok || got != dev {
			t.Errorf("another node: %+v %v", got, ok)
		}
		for name, in := range map[string][2]string{
			"no password": {dev.ID, ""}, "another's": {dev.ID, other.password(dev.ID)}, "another id": {dev.ID[:len(dev.ID)-2] + "zz", password},
			"another ward": {"app-26740-" + dev.ID[len(dev.ID)-26:], password}, "no such form": {"app-x", a.password("app-x")},
		} {
			if _, ok := dir.Device(in[0], in[1]); ok {
				t.Errorf("%s is admitted", name)
			}
		}
	}
}

func TestInstalls_Revoked_IsNotAdmitted(t *testing.T) {
	gone := ""
	x := NewInstalls([32]byte{1}, time.Now, func(id string) bool { return id == gone })
	dev, password, _ := x.Register(netip.MustParseAddr("203.0.113.9"), "")
	if _, ok := x.admits(dev.ID, password); !ok {
		t.Fatal("not admitted")
	}
	gone = dev.ID
	if _, ok := x.admits(dev.ID, password); ok {
		t.Error("admitted after its revocation")
	}
}

func TestInstalls_OneAddress_IsBoundedAndOthersAreNot(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	x := NewInstalls([32]byte{1}, func() time.Time { return now }, nil)
	one := netip.MustParseAddr("2001:db8::1")
	for i := range installBurst {
		if _, _, ok := x.Register(one, ""); !ok {
			t.Fatalf("refused at %d", i)
		}
	}
	for _, a := range []string{"2001:db8::1", "2001:db8::ffff"} { // of the same network
		if _, _, ok := x.Register(netip.MustParseAddr(a), ""); ok {
			t.Errorf("%s: one more than the bound", a)
		}
	}
	if _, _, ok := x.Register(netip.MustParseAddr("2001:db8:0:1::1"), ""); !ok {
		t.Error("another network was refused")
	}
	now = now.Add(6 * time.Second)
	if _, _, ok := x.Register(one, ""); !ok {
		t.Error("refused after the pause")
	}
	for i := range maxAddresses + 10 {
		x.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(x.by) > maxAddresses || len(x.oldest) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(x.by))
	}
}
