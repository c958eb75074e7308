package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"wardline/hardware/panel"
)

// Alarms says what happens at a receiver's customers: mostly openings,
// closings, tests and troubles, some alarms of every kind, restores and
// cancels of what was there before. Used by one goroutine.
type Alarms struct {
	r    *rand.Rand
	n    int
	open []panel.Event // alarms that were not restored, the newest maxOpen
}

const (
	// maxOpen bounds what is remembered for restores.
	maxOpen = 64
	// zones and groups are how many numbers a record has room for. They count up,
	// so that no two of zones x groups events make the same frame: within the
	// resend window that would be a repeat.
	zones, groups = 999, 99
	// maxSeq is where a button's first number is drawn from: two seeds rarely
	// press the same number within the resend window.
	maxSeq = 1_000_000
)

// accounts are the receiver's customers. Accounts are hexadecimal.
var accounts = []string{"1234", "1107", "18BC", "2F0D", "7777", "B00C", "0042", "9E31"}

// alarmCodes are what an alarm is drawn from; burglary and fire come more often.
var alarmCodes = []string{"130", "130", "131", "133", "110", "110", "111", "115", "100", "120", "121", "122", "123", "146", "151", "162"}

// statusCodes, testCodes: what a receiver passes on all day.
var (
	statusCodes = []string{"301", "302", "350", "381", "401", "401", "401", "441", "570"}
	testCodes   = []string{"602", "602", "601", "607"}
)

// NewAlarms starts from a seed.
func NewAlarms(seed uint64) *Alarms {
	return &Alarms{r: rand.New(rand.NewPCG(seed, 0x5357))}
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// Next is the next event.
func (a *Alarms) Next() panel.Event {
	e := panel.Event{System: panel.SystemContactID, Qualifier: panel.New, Receiver: "01", Line: "1", Account: pick(a.r, accounts),
		Zone: fmt.Sprintf("%03d", a.n%zones+1), Group: fmt.Sprintf("%02d", a.n/zones%groups+1)}
	a.n++
	switch k := a.r.IntN(100); {
	case k < 30:
		e.Code = pick(a.r, alarmCodes)
		a.open = append(a.open, e)
		if len(a.open) > maxOpen {
			a.open = a.open[1:]
		}
	case k >= 48 && k < 63 && len(a.open) > 0: // over, or still there, or called off
		i := a.r.IntN(len(a.open))
		old := a.open[i]
		switch a.r.IntN(4) {
		case 0:
			e.Account, e.Code = old.Account, "406"
		case 1:
			e = old
			e.Qualifier = panel.Previous
			a.open = append(a.open[:i], a.open[i+1:]...)
		default:
			e = old
			e.Qualifier = panel.Restore
			a.open = append(a.open[:i], a.open[i+1:]...)
		}
	case k < 33:
		e.Code = strconv.Itoa(700 + a.r.IntN(300)) // in no list
	case k < 48:
		e.Code = pick(a.r, testCodes)
	default:
		e.Code = pick(a.r, statusCodes)
		if a.r.IntN(2) == 0 {
			e.Qualifier = panel.Restore
		}
	}
	return e
}

// Presses says how often a button was pressed: the number counts up from one
// that the seed gives. Used by one goroutine.
type Presses struct {
	device string
	seq    int
}

// NewPresses starts from a seed.
func NewPresses(seed uint64, device string) *Presses {
	return &Presses{device: device, seq: 1 + rand.New(rand.NewPCG(seed, 0x4254)).IntN(maxSeq)}
}

// Next is the next press.
func (p *Presses) Next() panel.Event {
	e := panel.Event{System: panel.SystemButton, Qualifier: panel.New, Code: "PANIC", Account: p.device, Fields: map[string]string{"seq": strconv.Itoa(p.seq)}}
	p.seq++
	return e
}
