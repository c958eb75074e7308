package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"wardline/sync/proxies"
)

// Listener is one address to listen on.
type Listener struct {
	// Network is "tcp", or "ws" for MQTT over WebSocket (MQTT 3.1.1, section 6).
	Network string
	// Addr is host:port; port 0 takes any free one (see Broker.Addrs).
	Addr string
	// TLS, when set, encrypts the listener.
	TLS *tls.Config
}

// Config are the limits of a Broker. Default gives those of a ward station.
type Config struct {
	Listeners []Listener
	// Proxies are the servers in front of the broker, which say for whom a connection is: over
	// TCP in the header of the PROXY protocol, without which a connection of theirs is refused,
	// over WebSocket in X-Forwarded-For. Nobody else is believed.
	Proxies proxies.List

	// MaxClients are the connections that have passed the handshake.
	MaxClients int
	// MaxHalfOpen are the connections that have not.
	MaxHalfOpen int
	// ConnectTimeout is how long a connection may take to log in.
	ConnectTimeout time.Duration
	// MaxKeepAlive is the longest silence that a client may ask for. A version 5
	// client is told; a 3.1.1 client that asks for more, or for none, is cut after
	// one and a half times this much silence.
	MaxKeepAlive time.Duration
	// WriteTimeout is how long one write to a client may block.
	WriteTimeout time.Duration

	// MaxPayload is the largest publish payload handed over whole, in bytes. A
	// larger one is handed over cut to this size, as ProblemOversize.
	MaxPayload int
	// MaxDrain is the largest packet that is read at all, in bytes. Above it the
	// connection ends (version 5: 0x95).
	MaxDrain int
	// MaxTopic is the longest topic of a report, in bytes; it bounds Publish.Topic.
	MaxTopic int
	// MaxStatus is the largest status or last-will payload, in bytes.
	MaxStatus int

	// Window are the publishes of one client that wait for an answer; beyond it the
	// client is not read from.
	Window int
	// MaxLater are the publishes of one client that may stand refused for now
	// before it is no longer read from. Version 5 clients are told the sum of both
	// (Receive Maximum), so that refused ones do not keep an urgent one back.
	MaxLater int
	// LaterTimeout is how long a client with a refused publish is left connected
	// when Room is not called; then it is disconnected and tries again.
	LaterTimeout time.Duration
	// RoomJitter spreads the disconnections that Room causes.
	RoomJitter time.Duration
	// MaxPendingBytes are the payload bytes of all clients that wait for answers.
	MaxPendingBytes int64

	// MaxSessions are the kept sessions; the one that is offline longest goes first.
	MaxSessions int
	// SessionLife is how long a session is kept without a connection, with the
	// messages that wait in it.
	SessionLife time.Duration
	// MaxQueue and MaxQueueBytes bound the messages that wait for one device.
	MaxQueue      int
	MaxQueueBytes int
	// MaxAllQueues are the bytes that wait for all devices together.
	MaxAllQueues int64
	// MaxRetained are the topics with a retained message.
	MaxRetained int
}

// Default are the limits of a ward station: up to some thousand devices on a box
// with little memory.
func Default() Config {
	return Config{
		Listeners: []Listener{{Network: "tcp", Addr: "127.0.0.1:1883"}},
		// A ward has a few hundred fixed devices and some thousand phones; an idle
		// connection costs about 12 KiB over TLS.
		MaxClients: 8192,
		// A login takes milliseconds; 256 at once absorb a station's restart.
		MaxHalfOpen:    256,
		ConnectTimeout: 10 * time.Second,
		// Longer than any client's default (Mosquitto 60 s, paho 30 s); a dead
		// mobile connection is noticed within half an hour.
		MaxKeepAlive: 20 * time.Minute,
		// A phone that takes nothing for this long has gone.
		WriteTimeout: 15 * time.Second,
		// Twice the largest report, so that one a little too large is refused by
		// the check that names its field, with all of it at hand.
		MaxPayload: 128 << 10,
		// A photo sent by mistake is drained and refused rather than sent for ever.
		MaxDrain: 16 << 20,
		// Four times the longest topic of ours.
		MaxTopic:  256,
		MaxStatus: 4 << 10,
		// One group commit of the ledger takes 256 entries.
		Window:          256,
		MaxLater:        4096,
		LaterTimeout:    30 * time.Second,
		RoomJitter:      2 * time.Second,
		MaxPendingBytes: 32 << 20,
		MaxSessions:     8192,
		// A phone that was off overnight still finds its receipts.
		SessionLife:   24 * time.Hour,
		MaxQueue:      256,
		MaxQueueBytes: 256 << 10,
		MaxAllQueues:  32 << 20,
		MaxRetained:   8192,
	}
}

// Validate says what is wrong with the limits; each error names the fields and
// their values.
func (c Config) Validate() error {
	var errs []error
	for i, l := range c.Listeners {
		if l.Network != "tcp" && l.Network != "ws" {
			errs = append(errs, fmt.Errorf("listeners[%d].network is %q; use \"tcp\" or \"ws\"", i, l.Network))
		}
		if l.Addr == "" {
			errs = append(errs, fmt.Errorf("listeners[%d].addr is empty; give host:port", i))
		}
	}
	if len(c.Listeners) == 0 {
		errs = append(errs, errors.New("listeners is empty; give at least one address"))
	}
	for _, f := range []struct {
		name     string
		v        int64
		min, max int64
	}{
		{"max_clients", int64(c.MaxClients), 1, 1 << 20},
		{"max_half_open", int64(c.MaxHalfOpen), 1, 1 << 16},
		{"max_payload", int64(c.MaxPayload), 1 << 10, 16 << 20},
		// The longest topic of a device must fit.
		{"max_topic", int64(c.MaxTopic), 192, 65535},
		{"max_status", int64(c.MaxStatus), 16, 64 << 10},
		{"window", int64(c.Window), 1, 65535},
		{"max_later", int64(c.MaxLater), 1, 65535},
		{"max_sessions", int64(c.MaxSessions), 1, 1 << 20},
		{"max_queue", int64(c.MaxQueue), 1, 65535},
		{"max_queue_bytes", int64(c.MaxQueueBytes), 1 << 10, 1 << 30},
		{"max_all_queues", c.MaxAllQueues, 1 << 10, 1 << 40},
		{"max_retained", int64(c.MaxRetained), 1, 1 << 20},
	} {
		if f.v < f.min || f.v > f.max {
			errs = append(errs, fmt.Errorf("%s is %d; use %d to %d", f.name, f.v, f.min, f.max))
		}
	}
	for _, f := range []struct {
		name     string
		v        time.Duration
		min, max time.Duration
	}{
		{"connect_timeout", c.ConnectTimeout, 100 * time.Millisecond, time.Minute},
		// Twelve hours is the most that keeps one and a half times it within
		// the 16 bits that the protocol and mochi count in.
		{"max_keep_alive", c.MaxKeepAlive, 10 * time.Second, 12 * time.Hour},
		{"write_timeout", c.WriteTimeout, 100 * time.Millisecond, 5 * time.Minute},
		{"later_timeout", c.LaterTimeout, 10 * time.Millisecond, time.Hour},
		{"room_jitter", c.RoomJitter, 0, time.Hour},
		{"session_life", c.SessionLife, time.Second, 30 * 24 * time.Hour},
	} {
		if f.v < f.min || f.v > f.max {
			errs = append(errs, fmt.Errorf("%s is %v; use %v to %v", f.name, f.v, f.min, f.max))
		}
	}
	if c.MaxDrain < c.MaxPayload || c.MaxDrain > 256<<20 {
		errs = append(errs, fmt.Errorf("max_drain is %d and max_payload is %d; max_drain must be at least as large, and at most %d", c.MaxDrain, c.MaxPayload, 256<<20))
	}
	if c.MaxPendingBytes < int64(c.MaxPayload) {
		errs = append(errs, fmt.Errorf("max_pending_bytes is %d and max_payload is %d; one payload must fit", c.MaxPendingBytes, c.MaxPayload))
	}
	if c.MaxSessions < c.MaxClients {
		errs = append(errs, fmt.Errorf("max_sessions is %d and max_clients is %d; each client has a session", c.MaxSessions, c.MaxClients))
	}
	return errors.Join(errs...)
}

// receiveMaximum is what version 5 clients are told (MQTT 5, 3.2.2.3.3).
func (c Config) receiveMaximum() int { return min(c.Window+c.MaxLater, 65535) }
