package rates

import (
	"fmt"
	"testing"
	"time"
)

func TestLimits_FloodOfOneDevice_TakesNothingFromItsNeighbours(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := New(Config{Device: 10, DeviceBurst: 20, Address: 100, AddressBurst: 200}, func() time.Time { return now })
	taken := 0
	for range 10_000 {
		if l.Allow("flood", "203.0.113.9:1000") {
			taken++
		}
	}
	if taken != 20 || l.Refused() != 9980 {
		t.Errorf("%d taken, %d refused", taken, l.Refused())
	}
	for range 20 { // behind the same address
		if !l.Allow("button-1", "203.0.113.9:1001") {
			t.Fatal("a flood kept a button out")
		}
	}
	now = now.Add(time.Second)
	if !l.Allow("flood", "203.0.113.9:1000") {
		t.Error("the flooding device is kept out for ever")
	}
}

func TestLimits_OneAddress_IsBoundedOverAllItsDevices(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := New(Config{Address: 10, AddressBurst: 50}, func() time.Time { return now })
	taken := 0
	for i := range 1000 {
		if l.Allow(fmt.Sprint("app-", i), fmt.Sprintf("[2001:db8::%x]:1", i+1)) {
			taken++
		}
	}
	if taken != 50 {
		t.Errorf("%d of one network were taken", taken)
	}
	if !l.Allow("app-x", "[2001:db8:1::1]:1") || !l.Allow("app-x", "198.51.100.1:1") {
		t.Error("another network was refused")
	}
}

func TestLimits_ManyKeys_AreBoundedInMemory_AndOffIsOff(t *testing.T) {
	l := New(Config{}, time.Now)
	for i := range maxKeys + 100 {
		l.Allow(fmt.Sprint(i), "127.0.0.1:1")
	}
	if n := len(l.device.of); n > maxKeys {
		t.Errorf("%d devices are remembered", n)
	}
	off := New(Config{Off: true}, time.Now)
	for range 100_000 {
		if !off.Allow("a", "127.0.0.1:1") {
			t.Fatal("limited though off")
		}
	}
}
