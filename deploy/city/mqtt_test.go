package city

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"wardline/sync/api/contract"
)

// phone is an app that keeps its reports until the city has them.
type phone struct {
	w      *town
	device deviceJSON
	client mqtt.Client

	mu       sync.Mutex // guards messages
	messages []receiptJSON
}

type receiptJSON struct {
	ID, Step, At, Incarnation string
	Error                     *struct{ Type, Field, Detail string }
	Payload                   string `json:"payload_sha256"`
}

func (w *town) phone(n int) *phone {
	w.t.Helper()
	p := &phone{w: w, device: w.file.Devices[n]}
	described, err := contract.NewAsyncAPI()
	if err != nil {
		w.t.Fatal(err)
	}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + w.file.Stations[0].MQTT).SetClientID(p.device.ID).SetUsername(p.device.ID).
		SetPassword(p.device.Password).SetCleanSession(false).SetAutoReconnect(true).SetMaxReconnectInterval(time.Second)
	o.SetOnConnectHandler(func(c mqtt.Client) {
		c.Subscribe(fmt.Sprintf("wardline/v1/%s/%s/receipt", p.device.Ward, p.device.ID), 1, func(_ mqtt.Client, m mqtt.Message) {
			if _, err := described.Message(m.Topic(), m.Payload()); err != nil {
				w.t.Error(err)
			}
			var r receiptJSON
			if err := json.Unmarshal(m.Payload(), &r); err != nil {
				w.t.Errorf("receipt %q: %v", m.Payload(), err)
			}
			p.mu.Lock()
			p.messages = append(p.messages, r)
			p.mu.Unlock()
		})
	})
	p.client = mqtt.NewClient(o)
	if tok := p.client.Connect(); !tok.WaitTimeout(20*time.Second) || tok.Error() != nil {
		w.t.Fatalf("%s: %v", p.device.ID, tok.Error())
	}
	w.t.Cleanup(func() { p.client.Disconnect(100) })
	return p
}

func (p *phone) topic() string {
	return fmt.Sprintf("wardline/v1/%s/%s/report", p.device.Ward, p.device.ID)
}

// publish returns when the station has acknowledged.
func (p *phone) publish(payload []byte) {
	p.w.t.Helper()
	var tok mqtt.Token
	for range 5 { // the same again: what broke in the middle of a write is not sent again by the client
		tok = p.client.Publish(p.topic(), 1, false, payload)
		if !tok.WaitTimeout(30 * time.Second) {
			break
		}
		if tok.Error() == nil {
			return
		}
	}
	p.w.t.Fatalf("no PUBACK: %v", tok.Error())
}

// steps are those that were told of a report, in order.
func (p *phone) steps(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, m := range p.messages {
		if m.ID == id && m.Step != "" {
			out = append(out, m.Step)
		}
	}
	return strings.Join(out, " ")
}

// receipts follows a report over MQTT: acknowledged
// at the ward during a cut, by the city after it, and seen with an officer's claim.
func receipts(w *town) {
	t := w.t
	st, cmd := w.file.Stations[0].URL, w.file.Command.URL
	p := w.phone(0)
	w.control("cut", map[string][]string{"mode": {"blackhole"}})
	id := newID()
	p.publish(reportOf(id))
	w.wait("the ward's receipt", func() bool { return p.steps(id) == "ward" })
	ward := w.login(st, "ward_officer")
	w.wait("the station notices the cut", func() bool {
		var s struct{ Line struct{ State string } }
		return w.do(ward, "GET", st+"/api/v1/stations", nil, &s) == 200 && s.Line.State == "cut"
	})
	if got := p.steps(id); got != "ward" {
		t.Fatalf("told %q although the line is cut", got)
	}
	w.control("cut", map[string][]string{"mode": {""}})
	w.wait("the city's receipt", func() bool { return p.steps(id) == "ward city" })
	command := w.login(cmd, "command_officer")
	get := func() (in incidentJSON) {
		w.do(command, "GET", cmd+"/api/v1/incidents/"+id, nil, &in)
		return in
	}
	claim := fmt.Appendf(nil, `{"id":%q,"action":"claim","seen":%q}`, newID(), get().Version)
	if s := w.do(command, "POST", cmd+"/api/v1/incidents/"+id+"/actions", claim, nil); s != 200 {
		t.Fatalf("claim: %d", s)
	}
	w.wait("an officer has it", func() bool { return p.steps(id) == "ward city seen" })

	// Offered again: the answer says all of it; the city has it once.
	p.publish(reportOf(id))
	w.wait("all steps again", func() bool { return p.steps(id) == "ward city seen ward city seen" })

	// Malformed: acknowledged, so that nothing jams, and refused by name.
	p.publish([]byte(`{"id":"` + newID() + `","category":"war"}`))
	p.publish([]byte("\xff\xfe"))
	w.wait("both refusals", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		fields := []string{}
		for _, m := range p.messages {
			if m.Error != nil {
				fields = append(fields, m.Error.Field)
			}
		}
		return fmt.Sprint(fields) == "[category payload]"
	})
	var bad struct {
		Items []struct{ Field, Device string }
	}
	s, shown := w.do(ward, "GET", st+"/api/v1/malformed", nil, &bad), 0
	for _, x := range bad.Items {
		if x.Device == p.device.ID && (x.Field == "category" || x.Field == "payload") {
			shown++
		}
	}
	if s != 200 || shown != 2 {
		t.Fatalf("malformed input is not shown: %d %+v", s, bad)
	}
	after := newID()
	p.publish(reportOf(after))
	w.wait("what comes behind them gets through", func() bool { return p.steps(after) == "ward city" })
	w.once([]string{id, after})
}

// killedInMidStream uses the
// client that people paste: the acknowledged ids of a stream of publishes, with
// the station killed in it, are all in the city once.
func killedInMidStream(w *town) {
	t := w.t
	p := w.phone(1)
	var ids []string
	for i := range 120 {
		id := newID()
		if i == 40 {
			w.kill("ward-26704")
		}
		p.publish(reportOf(id)) // the client keeps it and sends it again on its new connection
		ids = append(ids, id)
	}
	if pub, err := exec.LookPath("mosquitto_pub"); err == nil {
		id := newID()
		d := w.file.Devices[0]
		host, port, _ := strings.Cut(w.file.Stations[0].MQTT, ":")
		out, err := exec.Command(pub, "-V", "5", "-h", host, "-p", port, "-i", d.ID, "-u", d.ID, "-P", d.Password, "-q", "1",
			"-t", fmt.Sprintf("wardline/v1/%s/%s/report", d.Ward, d.ID), "-m", string(reportOf(id))).CombinedOutput()
		if err != nil {
			t.Fatalf("mosquitto_pub: %v\n%s", err, out)
		}
		ids = append(ids, id)
	}
	w.once(ids)
}
