package core

import (
	"testing"
	"testing/synctest"
	"time"

	"wardline/sync/wire"
)

const lifeOrigin = "ward-26704"

// beat lets a life ping for a while and says whether a clone was seen.
func beat(v *lives, d time.Duration, boots ...uint64) (clone bool) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(wire.PingEvery) {
		for _, b := range boots {
			clone = v.heard(lifeOrigin, b) || clone
		}
	}
	return clone
}

func TestLives_StartedAgainOverADeadStream_IsNoClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newLives()
		v.up(lifeOrigin, 1)
		clone := beat(v, time.Minute, 1)
		v.up(lifeOrigin, 2)                     // the stream of 1 is dead and nobody knows it yet
		clone = v.heard(lifeOrigin, 1) || clone // what was still under way
		clone = beat(v, time.Minute, 2) || clone
		v.gone(lifeOrigin, 1)
		if clone || beat(v, time.Minute, 2) {
			t.Fatal("a station that was started again was taken for a clone")
		}
	})
}

func TestLives_SameProcessAfterABlackHole_IsNoClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newLives()
		v.up(lifeOrigin, 1)
		v.up(lifeOrigin, 1)
		v.gone(lifeOrigin, 1)
		if beat(v, time.Minute, 1) {
			t.Fatal("one process was taken for two")
		}
	})
}

func TestLives_TwoThatAreHeard_AreAClone_SaidOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newLives()
		v.up(lifeOrigin, 1)
		v.up(lifeOrigin, 2)
		if !beat(v, 10*time.Second, 1, 2) {
			t.Fatal("two live processes of one station were not seen")
		}
		if beat(v, 50*time.Minute, 1, 2) {
			t.Fatal("said again within the hour")
		}
		if !beat(v, 20*time.Minute, 1, 2) {
			t.Fatal("a clone that goes on is said again")
		}
	})
}
