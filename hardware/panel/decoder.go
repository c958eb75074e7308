package panel

// Decoder turns a byte stream into frames. It holds at most its protocol's
// longest frame. Used by one goroutine.
type Decoder interface {
	// Feed takes the next bytes and returns the frames that they complete. How
	// the stream is cut into calls changes nothing.
	Feed(b []byte) []Frame
	// Damage says that the next byte arrived broken (parity or framing).
	Damage()
	// Idle says that no byte came for Profile.Gap. A frame that has begun will
	// not be finished: it is returned as damage.
	Idle() []Frame
	// Pending is the number of bytes held of a frame that has begun.
	Pending() int
	// Reset forgets a frame that has begun: the line was closed.
	Reset()
}

// DamageLimit is how often the same broken bytes are answered with a request to
// send them again. Noise does not repeat itself; what comes three times
// the same is how this sender is set, and is kept as it is.
const DamageLimit = 2

// DamageMemory recognises broken bytes that come again the same.
type DamageMemory struct {
	last  string
	times int
}

// Again counts one more damaged frame and says whether to ask for it again.
func (m *DamageMemory) Again(raw []byte) bool {
	if s := string(raw); s != m.last {
		m.last, m.times = s, 0
	}
	m.times++
	return m.times <= DamageLimit
}

// Cured forgets, after a frame that arrived whole.
func (m *DamageMemory) Cured() { m.last, m.times = "", 0 }

// Parser is what a protocol says about one terminated frame.
type Parser interface {
	// Parse reads a whole frame. body stands between the line ends before it and
	// the terminator and holds only printable ASCII; the frame may keep it.
	// Text fills in Raw, and the answers of damage and of what is kept raw. Damage
	// may carry events with their answer and key: what it means if it comes again
	// and again the same.
	Parse(body []byte) Frame
	// Broken is the answer that asks for a resend; nil when silence does.
	Broken() []byte
	// Kept is the answer to a frame that is kept raw; body is nil when it is
	// damaged.
	Kept(body []byte) []byte
}

// Text is the Decoder of a protocol whose frames are printable ASCII up to a
// terminator byte.
type Text struct {
	parser Parser
	term   byte
	max    int

	buf    []byte
	broken bool // a byte of the frame in buf arrived broken
	skip   bool // an overlong frame was given up; wait for its terminator
	memory DamageMemory
}

var _ Decoder = (*Text)(nil)

// NewText makes a decoder for frames of at most max bytes with the
// terminator.
func NewText(p Parser, terminator byte, max int) *Text {
	return &Text{parser: p, term: terminator, max: max}
}

// Feed takes the next bytes.
func (t *Text) Feed(b []byte) []Frame {
	var out []Frame
	for _, c := range b {
		if t.skip {
			if c == t.term {
				t.skip = false
			}
			continue
		}
		t.buf = append(t.buf, c)
		switch {
		case c == t.term:
			if f, ok := t.finish(); ok {
				out = append(out, f)
			}
		case len(t.buf) >= t.max:
			out = append(out, t.damaged())
			t.skip = true
		}
	}
	return out
}

// Damage marks the frame that is being received.
func (t *Text) Damage() {
	// The place of the byte is kept, so that the frame's length stays true.
	t.broken = true
	if !t.skip && len(t.buf) < t.max-1 {
		t.buf = append(t.buf, '?')
	}
}

// Idle gives up a frame that will not be finished.
func (t *Text) Idle() []Frame {
	t.skip = false
	if len(body(t.buf)) == 0 {
		t.Reset()
		return nil
	}
	return []Frame{t.damaged()}
}

// Pending is the number of bytes of a frame that has begun; an overlong frame
// that is being skipped counts as one.
func (t *Text) Pending() int {
	if t.skip {
		return 1
	}
	return len(t.buf)
}

// Reset forgets a frame that has begun.
func (t *Text) Reset() { t.buf, t.broken, t.skip = t.buf[:0], false, false }

// body is what follows the line ends before a frame.
func body(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// take is a copy of the buffer, which starts anew.
func (t *Text) take() []byte {
	raw := append([]byte(nil), t.buf...)
	t.Reset()
	return raw
}

func (t *Text) damaged() Frame {
	raw := t.take()
	if !t.memory.Again(raw) {
		t.memory.Cured()
		return t.unfit(raw)
	}
	return Frame{Kind: KindDamage, Raw: raw, Reply: t.parser.Broken()}
}

// unfit keeps damage that came again the same.
func (t *Text) unfit(raw []byte) Frame {
	return Frame{Kind: KindUnfit, Raw: raw, Reply: t.parser.Kept(nil), ResendKey: raw, Flags: []Flag{FlagDamaged}}
}

// finish reads the frame in the buffer; ok is false when nothing stands
// between two terminators.
func (t *Text) finish() (f Frame, ok bool) {
	b := body(t.buf)
	lead := len(t.buf) - len(b)
	if len(b) > 0 && b[len(b)-1] == t.term {
		b = b[:len(b)-1]
	}
	if t.term == '\n' && len(b) > 0 && b[len(b)-1] == '\r' {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		t.Reset()
		return Frame{}, false
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7e {
			t.broken = true
		}
	}
	if t.broken {
		return t.damaged(), true
	}
	text := append([]byte(nil), b...)
	raw := t.take()
	f = t.parser.Parse(text)
	switch f.Kind {
	case KindDamage:
		if !t.memory.Again(raw) {
			t.memory.Cured()
			if len(f.Events) == 0 {
				return t.unfit(raw), true
			}
			// The sender will never send it clean; its alarm must not be lost.
			f.Kind, f.Raw, f.Flags = KindEvent, raw, append(f.Flags, FlagDamaged)
			return f, true
		}
		f = Frame{Kind: KindDamage, Reply: t.parser.Broken()}
	case KindUnfit:
		t.memory.Cured()
		f.Reply, f.ResendKey = t.parser.Kept(text), text
	default:
		t.memory.Cured()
	}
	f.Raw = raw
	if lead > 0 {
		f.Flags = append(f.Flags, FlagLineEnd)
	}
	return f, true
}
