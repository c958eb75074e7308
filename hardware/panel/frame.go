package panel

// Kind says what a frame is and, with it, when its answer may be written.
type Kind uint8

const (
	// KindEvent carries one event or more; answered after the sync.
	KindEvent Kind = iota + 1
	// KindHeartbeat is a link test. It has no entry and is answered at once.
	KindHeartbeat
	// KindUnfit is a complete frame that fits no profile. The caller keeps its
	// raw bytes, synced, then answers, counts and shows it: refusing it would
	// make the receiver send it for ever and block its queue.
	KindUnfit
	// KindDamage is what a resend can cure: a byte with wrong parity, a byte that
	// cannot occur, a frame that never ended. Its answer (often none) asks for
	// the resend and is written at once.
	KindDamage
)

// String is the word for logs and metrics.
func (k Kind) String() string {
	switch k {
	case KindEvent:
		return "event"
	case KindHeartbeat:
		return "heartbeat"
	case KindUnfit:
		return "unfit"
	case KindDamage:
		return "damage"
	}
	return "unknown"
}

// Frame is one frame as it stood on the line.
type Frame struct {
	Kind Kind
	// Raw is every byte of the frame with its terminator, and with line ends that
	// stood before it. The caller owns it.
	Raw []byte
	// Events are the events in the frame, in order; empty unless KindEvent.
	Events []Event
	// Reply is what answers the frame; empty when silence is the answer.
	Reply []byte
	// ReplyNamed says that the reply names the frame that it answers, so that a
	// late one cannot be taken for the answer to a later frame.
	ReplyNamed bool
	// ResendKey is what a resend of the same frame has in common with it;
	// empty for heartbeats and damage. It is unique only together with the line
	// and says nothing outside Profile.ResendWindow: see RepeatKey.
	ResendKey []byte
	// Counter says that ResendKey rests on a number which the device counts up,
	// and which starts anew with the device.
	Counter bool
	// Flags are deviations that were accepted and should be shown.
	Flags []Flag
}

// Immediate says that the frame's reply does not wait for a sync.
func (f *Frame) Immediate() bool { return f.Kind == KindHeartbeat || f.Kind == KindDamage }

// RepeatKey is the key under which the caller remembers the frame for
// Profile.ResendWindow: a second frame with the same key within it is a repeat.
// session names one opening of the line; a counter is compared only within
// it, because the device may have started to count anew. Nil when the frame
// has no entry.
func (f *Frame) RepeatKey(session string) []byte {
	if len(f.ResendKey) == 0 {
		return nil
	}
	k := []byte{'w'}
	if f.Counter {
		k = append([]byte{'c'}, session...)
	}
	k = append(k, 0)
	return append(k, f.ResendKey...)
}

// Flag names a deviation that was accepted, never silently.
type Flag string

// The flags that decoders and Classify set.
const (
	// FlagShortAccount: fewer digits than the protocol's account has; not padded.
	FlagShortAccount Flag = "short_account"
	// FlagHeaderWidth: a heartbeat in the other header width than the profile's.
	FlagHeaderWidth Flag = "header_width"
	// FlagLineEnd: carriage returns or line feeds stood before the frame.
	FlagLineEnd Flag = "line_end"
	// FlagNoSequence: a button's message without its number.
	FlagNoSequence Flag = "no_sequence"
	// FlagDamaged: broken bytes that came again the same; asking once more would
	// block the sender's queue, so the frame is kept as it is.
	FlagDamaged Flag = "damaged"
	// FlagUnknownCode: a code that is in no list; it opens as security.
	FlagUnknownCode Flag = "unknown_code"
	// FlagUnlistedCode: a code that is not listed, classified by its group.
	FlagUnlistedCode Flag = "unlisted_code"
)

// System says whose code an event carries.
type System string

// The code systems.
const (
	// SystemContactID: three digits, SIA DC-05.
	SystemContactID System = "contact_id"
	// SystemSIA: two letters, SIA DC-03.
	SystemSIA System = "sia"
	// SystemBasic: one character, as receivers write pulse formats.
	SystemBasic System = "basic"
	// SystemReceiver: the receiver's own condition, no customer's alarm.
	SystemReceiver System = "receiver"
	// SystemButton: a panic button's word.
	SystemButton System = "button"
)

// Qualifier says whether an event began, ended or goes on.
type Qualifier string

// The qualifiers. For 4xx codes of Contact ID "new" is an opening (disarmed)
// and "restore" a closing (armed).
const (
	New      Qualifier = "new"
	Restore  Qualifier = "restore"
	Previous Qualifier = "previous"
)

// Event is one event of a frame, in the protocol's own words.
type Event struct {
	System    System
	Account   string // as sent, never padded; hexadecimal in most protocols
	Qualifier Qualifier
	// Code is the event's code as sent: "121", "BA", "3", "PANIC".
	Code  string
	Group string // area or partition, as sent
	Zone  string // zone or user, as sent
	// Receiver and Line are the receiver's number and its line card, where the
	// protocol says them.
	Receiver, Line string
	// Fields are further values by the protocol's own names.
	Fields map[string]string
	Flags  []Flag
}
