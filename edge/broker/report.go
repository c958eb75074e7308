package broker

import (
	"net"
	"time"

	"wardline/sync/record"
)

// Device is who a connection belongs to.
type Device struct {
	// ID is the device's name, which is its MQTT client id and its user name.
	ID string
	// Ward is where its reports go, and whose alerts it reads.
	Ward record.WardCode
	// Kind is what it is ("app", "kiosk", "button"); the broker only passes it on.
	Kind string
}

// Auth knows the devices. It is called once per login, a few at once.
type Auth interface {
	// Authenticate says which device this is, or false. The broker itself
	// insists that the user name, the client id and the device's ID are the same.
	Authenticate(clientID, username, password []byte, remote net.Addr) (Device, bool)
}

// Problem says why a publish cannot be a report, before anyone read its payload.
type Problem uint8

// Problems. The Handler keeps such a publish where somebody sees it and answers
// Malformed; an Accepted is taken as Malformed.
const (
	// NoProblem is a publish on the device's own report topic, whole.
	NoProblem Problem = iota
	// ProblemOversize is one larger than Config.MaxPayload; Payload is its beginning.
	ProblemOversize
	// ProblemTopic is one on a topic where this device may not publish.
	ProblemTopic
)

// String is the reason as a client is told it.
func (p Problem) String() string {
	switch p {
	case ProblemOversize:
		return "payload too large"
	case ProblemTopic:
		return "not a topic of this device; publish reports to wardline/v1/{ward}/{device}/report"
	}
	return ""
}

// Publish is one report as it came in.
type Publish struct {
	Ward   record.WardCode
	Device string
	Kind   string
	// ClientID is the MQTT client id, the same as Device.
	ClientID string
	// Version is 4 for MQTT 3.1.1 and 5 for MQTT 5.
	Version byte
	QoS     byte
	// Dup is the client's own word that it may have sent this before.
	Dup bool
	// Topic is where it was published, cut to Config.MaxTopic.
	Topic string
	// Payload belongs to the callee. It is the beginning only when Problem is
	// ProblemOversize.
	Payload []byte
	// Size is the length of the payload as it was sent, in bytes.
	Size int
	// Problem is NoProblem for a report.
	Problem Problem
	// ReceivedAt is when its last byte had been read.
	ReceivedAt time.Time
	// Remote is the address of the connection.
	Remote net.Addr
}

// AnswerKind is what became of a publish.
type AnswerKind uint8

// Kinds of Answer.
const (
	// KindAccepted: it is on disk. PUBACK or PUBREC with success.
	KindAccepted AnswerKind = iota + 1
	// KindMalformed: it is refused for good, and kept where somebody sees it.
	// Version 5: reason 0x99 with the reason as text. 3.1.1 has no word for it, so
	// its PUBACK only ends the repeating and is not the receipt of a report.
	KindMalformed
	// KindLater: refused for now. No PUBACK; the connection stays and is read on,
	// until Room or Config.LaterTimeout disconnects it so that it sends again.
	KindLater
)

// Answer is what became of a publish.
type Answer struct {
	Kind AnswerKind
	// Reason is told to a version 5 client that is refused; it names the field.
	Reason string
}

// Accepted says that the report is synced to disk.
func Accepted() Answer { return Answer{Kind: KindAccepted} }

// Malformed says that it is refused for good; reason names the field.
func Malformed(reason string) Answer { return Answer{Kind: KindMalformed, Reason: reason} }

// Later says that there is no room now.
func Later() Answer { return Answer{Kind: KindLater} }

// Status is a change of a device's connection or what it says of itself.
type Status struct {
	Device Device
	// Online is whether the device is connected now.
	Online bool
	// Payload is what was published on the status topic, or the last will; nil
	// when there was none. It belongs to the callee.
	Payload []byte
	// Cause is what happened.
	Cause Cause
}

// Cause is why a Status was given.
type Cause string

// Causes of a Status.
const (
	// CauseConnected: the device logged in.
	CauseConnected Cause = "connected"
	// CausePublished: it published on its status topic.
	CausePublished Cause = "published"
	// CauseGoodbye: it disconnected as it should.
	CauseGoodbye Cause = "goodbye"
	// CauseLost: the connection broke or was ended by the station.
	CauseLost Cause = "lost"
	// CauseWill: its last will, which came after the delay that it had asked for.
	CauseWill Cause = "will"
)

// Handler takes what devices publish. Its methods, and whoever calls answer, may
// call Send, Alert and Room.
type Handler interface {
	// HandleReport takes one publish and returns at once; answer is called exactly
	// once, now or later, from any goroutine, and does not block. Publishes of one
	// device come one after the other, in order; those of many come at once.
	HandleReport(p Publish, answer func(Answer))
	// HandleStatus takes a change of state and returns at once.
	HandleStatus(s Status)
}
