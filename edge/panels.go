package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"wardline/edge/intake"
	"wardline/edge/ledger"
	"wardline/hardware/panel"
	"wardline/hardware/panel/protocols"
	"wardline/hardware/serialport"
	"wardline/sync/api"
	"wardline/sync/record"
)

// Panel is one alarm line.
type Panel struct {
	Device   string         `json:"device" yaml:"device"`
	Port     string         `json:"port" yaml:"port"`
	Protocol panel.Protocol `json:"protocol" yaml:"protocol"`
	// What differs from the protocol's default; 0 and empty keep it.
	Baud        int          `json:"baud,omitempty" yaml:"baud"`
	Size        int          `json:"size,omitempty" yaml:"size"`
	Parity      panel.Parity `json:"parity,omitempty" yaml:"parity"`
	HeaderWidth int          `json:"header_width,omitempty" yaml:"header_width"`
	// SupervisionS is how long the line may be silent, in seconds.
	SupervisionS int `json:"supervision_s,omitempty" yaml:"supervision_s"`
}

func (p *Panel) profile() (panel.Profile, error) {
	pr, err := panel.Default(p.Protocol)
	if err != nil {
		return pr, err
	}
	if p.Baud != 0 {
		pr.Baud = p.Baud
	}
	if p.Size != 0 {
		pr.Size = p.Size
	}
	if p.Parity != "" {
		pr.Parity = p.Parity
	}
	if p.HeaderWidth != 0 {
		pr.HeaderWidth = p.HeaderWidth
	}
	if p.SupervisionS != 0 {
		pr.Supervision = time.Duration(p.SupervisionS) * time.Second
	}
	err = pr.Validate()
	var x *panel.ProfileError
	if errors.As(err, &x) && x.Field == "supervision" {
		x.Field = "supervision_s"
	}
	return pr, err
}

// panelLine joins one serial line to the door.
type panelLine struct {
	s       *Station
	c       Panel
	profile panel.Profile
	line    *serialport.Line

	mu    sync.Mutex // guards below
	sup   *panel.Supervisor
	saved time.Time
	wrong troubles
}

// saveEvery is how often "last heard" is kept while bytes come: a restart may
// make a line look heard up to this much earlier, never later.
const saveEvery = 30 * time.Second

func (s *Station) newPanel(c Panel) (*panelLine, error) {
	pr, err := c.profile()
	if err != nil {
		return nil, fmt.Errorf("panel %s: %w", c.Device, err)
	}
	d, err := protocols.New(pr)
	if err != nil {
		return nil, fmt.Errorf("panel %s: %w", c.Device, err)
	}
	p := &panelLine{s: s, c: c, profile: pr}
	var st panel.SupervisorState
	raw, err := s.ledger.Note(p.note())
	if err != nil {
		return nil, err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &st); err != nil {
			return nil, fmt.Errorf("panel %s: stored supervision: %w", c.Device, err)
		}
	}
	if raw, err = s.ledger.Note(p.wrongNote()); err == nil && raw != nil {
		err = json.Unmarshal(raw, &p.wrong)
	}
	if err != nil {
		return nil, fmt.Errorf("panel %s: stored troubles: %w", c.Device, err)
	}
	p.sup = panel.NewSupervisor(pr.Supervision, st, s.wall)
	p.line, err = serialport.New(c.Port, pr, d, p, s.log)
	return p, err
}

func (p *panelLine) note() []byte      { return []byte("supervision/" + p.c.Device) }
func (p *panelLine) wrongNote() []byte { return []byte("troubles/" + p.c.Device) }

// told keeps what a synced frame says of the device's own state, for the desk
// and over restarts.
func (p *panelLine) told(events []panel.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wrong.take(events, p.s.wall().UnixMilli()) {
		return
	}
	raw, err := json.Marshal(p.wrong)
	if err != nil {
		p.s.log.Error("troubles", "device", p.c.Device, "err", err)
		return
	}
	p.keep(p.wrongNote(), raw)
}

// Frame hands a frame to the door; its ACK goes out after the sync.
func (p *panelLine) Frame(f serialport.Frame) {
	if f.Immediate() {
		return
	}
	src := intake.Source{Device: p.c.Device, Ward: p.s.c.Ward, Kind: "panel", Via: "serial"}
	p.s.door.Panel(src, intake.PanelFrame{Frame: f.Frame, Session: f.Session, Window: p.profile.ResendWindow}, func(err error) {
		if err != nil && !errors.Is(err, intake.ErrLater) {
			p.s.log.Error("a frame could not be kept; its sender sends it again", "device", p.c.Device, "err", err)
		}
		f.Answer(err == nil)
		if err == nil {
			p.told(f.Events)
		}
	})
}

// Heard counts for supervision.
func (p *panelLine) Heard(time.Time, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, changed := p.sup.Heard()
	if changed {
		p.changed(c)
	} else if p.s.wall().Sub(p.saved) >= saveEvery {
		p.save()
	}
}

// State says that the line was opened or lost.
func (p *panelLine) State(st serialport.State) {
	p.s.log.Info("alarm line", "device", p.c.Device, "open", st.Open, "err", st.Err)
}

// changed commits that a line fell silent or is back.
func (p *panelLine) changed(c panel.Change) {
	reason := "heard"
	if c.Silent {
		reason = "silent"
	}
	raw, ok := p.state()
	if !ok {
		return
	}
	p.s.submitStatus(p.c.Device, reason, c.Since, []ledger.Note{{Key: p.note(), Value: raw}})
}

func (p *panelLine) state() (raw []byte, ok bool) {
	raw, err := json.Marshal(p.sup.State())
	if err != nil {
		p.s.log.Error("supervision", "err", err)
		return nil, false
	}
	p.saved = p.s.wall()
	return raw, true
}

func (p *panelLine) save() {
	raw, ok := p.state()
	if !ok {
		return
	}
	p.keep(p.note(), raw)
}

func (p *panelLine) keep(key, raw []byte) {
	a := ledger.Append{Lane: record.Telemetry, NoEntry: true, Notes: []ledger.Note{{Key: key, Value: raw}}}
	p.s.ledger.Submit(a, func(_ ledger.Result, err error) {
		if err != nil {
			p.s.log.Warn("what is known of an alarm line could not be kept now", "device", p.c.Device, "err", err)
		}
	})
}

// run keeps the line open and looks at the clock.
func (p *panelLine) run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		every(ctx, time.Second, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if c, ok := p.sup.Check(); ok {
				p.changed(c)
			}
		})
	})
	err := p.line.Run(ctx)
	wg.Wait()
	p.mu.Lock()
	p.save()
	p.mu.Unlock()
	return err
}

// device is the line as a desk shows it.
func (p *panelLine) device() api.DeviceState {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := api.DeviceState{ID: p.c.Device, Kind: string(p.c.Protocol), Online: p.line.State().Open}
	if st := p.sup.State(); st.Silent {
		t := api.Time(st.LastByte.UnixMilli())
		d.SilentSince = &t
	}
	if n := len(p.wrong); n > 0 {
		t := api.Time(p.wrong[n-1].At)
		d.Since, d.Detail = &t, p.wrong.String()
	}
	return d
}
