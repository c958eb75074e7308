// Package rates bounds how often one device and one address may report, so that a
// flood from one of them takes nothing from the others. A report that is refused for now
// is lost to nobody: its source keeps it and offers it again.
//
// It knows nothing of reports and bounds what it remembers.
package rates

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Config are the limits. The zero value takes the defaults.
type Config struct {
	// Off: no limits at all, for measurements.
	Off bool `json:"off,omitempty" yaml:"off"`
	// Device and DeviceBurst are reports a second and at once of one device; Address
	// and AddressBurst those of one address (an IPv6 /64), behind which many may be. 0 takes the default.
	Device       int `json:"device,omitempty" yaml:"device"`
	DeviceBurst  int `json:"device_burst,omitempty" yaml:"device_burst"`
	Address      int `json:"address,omitempty" yaml:"address"`
	AddressBurst int `json:"address_burst,omitempty" yaml:"address_burst"`
}

// Defaults. No honest device comes near them: a kiosk or a phone that was cut off for
// days offers some hundred reports at once, a bridge those of a building. A station takes tens
// of thousands a second, so that a device at its limit is not felt.
const (
	defaultDevice       = 100
	defaultDeviceBurst  = 2000
	defaultAddress      = 1000
	defaultAddressBurst = 10_000
	// maxKeys bounds what is remembered of devices, and of addresses: a few megabytes.
	maxKeys = 50_000
	// forgetAfter is how long one that is quiet is remembered: by then its bucket is full again.
	forgetAfter = 10 * time.Minute
)

// Negative says which field is below zero; empty when none is.
func (c Config) Negative() string {
	for name, n := range map[string]int{"device": c.Device, "device_burst": c.DeviceBurst, "address": c.Address, "address_burst": c.AddressBurst} {
		if n < 0 {
			return name
		}
	}
	return ""
}

// Limits says who may report now. It is safe for use by many; nil limits nobody.
type Limits struct {
	now     func() time.Time
	device  *buckets[string]
	address *buckets[netip.Prefix]
	refused atomic.Uint64
}

// New makes the limits; nil when they are off.
func New(c Config, now func() time.Time) *Limits {
	if c.Off {
		return nil
	}
	or := func(n, other int) int {
		if n == 0 {
			return other
		}
		return n
	}
	return &Limits{now: now, device: newBuckets[string](or(c.Device, defaultDevice), or(c.DeviceBurst, defaultDeviceBurst)),
		address: newBuckets[netip.Prefix](or(c.Address, defaultAddress), or(c.AddressBurst, defaultAddressBurst))}
}

// Allow says whether a device at an address, as net.Addr writes it, may report
// now. What cannot be read as an address is one address.
func (l *Limits) Allow(device, remote string) bool {
	if l == nil {
		return true
	}
	now := l.now()
	// The device first: a device at its limit must not use up what is its neighbours'.
	if l.device.allow(device, now) && l.address.allow(network(remote), now) {
		return true
	}
	l.refused.Add(1)
	return false
}

// Refused is how often Allow said no.
func (l *Limits) Refused() uint64 {
	if l == nil {
		return 0
	}
	return l.refused.Load()
}

// network is the address without its port; of IPv6 the /64, which one customer has.
func network(remote string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	a := ap.Addr().Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// buckets are token buckets by key.
type buckets[K comparable] struct {
	every rate.Limit
	burst int

	mu sync.Mutex // guards below
	of map[K]*bucket
}

type bucket struct {
	*rate.Limiter
	last time.Time
}

func newBuckets[K comparable](perSecond, burst int) *buckets[K] {
	return &buckets[K]{every: rate.Limit(perSecond), burst: burst, of: map[K]*bucket{}}
}

func (b *buckets[K]) allow(k K, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.of[k]
	if x == nil {
		if len(b.of) >= maxKeys {
			b.sweep(now)
		}
		x = &bucket{Limiter: rate.NewLimiter(b.every, b.burst)}
		b.of[k] = x
	}
	x.last = now
	return x.AllowN(now, 1)
}

// sweep forgets those that are quiet, and when there are none, half of all: whoever
// comes under many names is bounded by its address and by its log-in.
func (b *buckets[K]) sweep(now time.Time) {
	for k, x := range b.of {
		if now.Sub(x.last) > forgetAfter {
			delete(b.of, k)
		}
	}
	for k := range b.of {
		if len(b.of) <= maxKeys/2 {
			return
		}
		delete(b.of, k)
	}
}
