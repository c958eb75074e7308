package broker

import (
	"sync"
	"testing"
)

// TestBroker_Announce_IsKeptReplacedAndCounted: who subscribes later gets it as a
// retained message, who is away gets the latest alone, and who acknowledged is known.
func TestBroker_Announce_IsKeptReplacedAndCounted(t *testing.T) {
	h := &desk{}
	b := startBroker(t, testConfig(), h)
	var mu sync.Mutex
	took := map[string]int{}
	note := func(device string) { mu.Lock(); took[device]++; mu.Unlock() }
	count := func(device string) int { mu.Lock(); defer mu.Unlock(); return took[device] }

	away := mustLogin(t, b, as("app-1").kept())
	away.subscribe(AlertTopic(testWard), 1)
	_ = away.nc.Close()
	h.waitStatus(t, func(s Status) bool { return s.Cause == CauseLost })
	if n := b.Announce(testWard, []byte("old"), note); n != 1 {
		t.Errorf("queued for %d", n)
	}
	b.Announce(testWard, []byte("flood"), note)

	late := mustLogin(t, b, as("app-2"))
	late.subscribe(AlertTopic(testWard), 1)
	if m := late.incoming(); m.payload != "flood" || !m.retain || m.topic != AlertTopic(testWard) {
		t.Errorf("who subscribes later reads %+v", m)
	} else if late.puback(m.id); count("app-1") != 0 {
		t.Error("a device acknowledged that is away")
	}
	waitFor(t, func() bool { return count("app-2") == 1 })

	back := mustLogin(t, b, as("app-1").kept())
	m := back.incoming()
	if m.payload != "flood" {
		t.Errorf("a device that was away reads %q before what holds", m.payload)
	}
	back.puback(m.id)
	waitFor(t, func() bool { return count("app-1") == 1 })
	back.quiet()

	b.Announce(testWard, nil, nil)
	third := mustLogin(t, b, as("app-3"))
	third.subscribe(AlertTopic(testWard), 1)
	third.quiet()
}
