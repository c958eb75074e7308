package broker

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// pahoOptions are those of a phone: a fixed id, a kept session.
func pahoOptions(url, id string) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker(url).SetClientID(id).SetUsername(id).SetPassword("pw").
		SetCleanSession(false).SetAutoReconnect(true).SetConnectRetry(true).
		SetConnectRetryInterval(50 * time.Millisecond).SetMaxReconnectInterval(50 * time.Millisecond)
}

func pahoWait(t *testing.T, what string, tok paho.Token) {
	t.Helper()
	if !tok.WaitTimeout(patience) {
		t.Fatalf("%s takes too long", what)
	}
	if tok.Error() != nil {
		t.Fatalf("%s: %v", what, tok.Error())
	}
}

func TestBroker_Paho_ReportsAndReceipts(t *testing.T) {
	for i, scheme := range []string{"tcp", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			h := &desk{auto: accept}
			b := startBroker(t, testConfig(), h)
			got := make(chan string, 100)
			c := paho.NewClient(pahoOptions(scheme+"://"+b.Addrs()[i].String(), "app-1"))
			pahoWait(t, "connect", c.Connect())
			defer c.Disconnect(0)
			pahoWait(t, "subscribe", c.Subscribe("wardline/v1/26704/app-1/#", 1, func(_ paho.Client, m paho.Message) {
				got <- string(m.Payload())
			}))
			var toks []paho.Token
			for n := range 300 {
				toks = append(toks, c.Publish(ReportTopic(testWard, "app-1"), byte(n%3), false, fmt.Sprint(n)))
			}
			for _, tok := range toks {
				pahoWait(t, "publish", tok)
			}
			seen := map[string]int{}
			for _, p := range h.wait(t, 300) {
				seen[string(p.Payload)]++
			}
			for n := range 300 {
				if seen[fmt.Sprint(n)] != 1 {
					t.Errorf("report %d came %d times", n, seen[fmt.Sprint(n)])
				}
			}
			for n := range 50 {
				b.Send("app-1", Receipt, fmt.Append(nil, n))
			}
			for n := range 50 {
				select {
				case s := <-got:
					if s != fmt.Sprint(n) {
						t.Fatalf("receipt %d is %q", n, s)
					}
				case <-time.After(patience):
					t.Fatal("no receipt")
				}
			}
		})
	}
}

// A phone whose report is refused for now sends it again by itself, once there is
// room, and does so exactly until it is taken.
func TestBroker_Paho_LaterThenRoom_ComesAgainByItself(t *testing.T) {
	room := make(chan struct{})
	h := &desk{auto: func(Publish) Answer {
		select {
		case <-room:
			return Accepted()
		default:
			return Later()
		}
	}}
	b := startBroker(t, testConfig(), h)
	c := paho.NewClient(pahoOptions("tcp://"+b.Addrs()[0].String(), "app-1"))
	pahoWait(t, "connect", c.Connect())
	defer c.Disconnect(0)
	one := c.Publish(ReportTopic(testWard, "app-1"), 1, false, "one")
	two := c.Publish(ReportTopic(testWard, "app-1"), 2, false, "two")
	h.wait(t, 2)
	close(room)
	b.Room()
	pahoWait(t, "QoS 1", one)
	pahoWait(t, "QoS 2", two)
}

func mosquitto(t *testing.T, name string, b *Broker, id string, more ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	addr := b.Addrs()[0].String()
	host, port, _ := strings.Cut(addr, ":")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, path, append([]string{"-h", host, "-p", port, "-i", id, "-u", id, "-P", "pw"}, more...)...)
}

func TestBroker_Mosquitto_PublishesAndReads(t *testing.T) {
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			h := &desk{auto: func(p Publish) Answer {
				if string(p.Payload) == "bad" {
					return Malformed("category: unknown")
				}
				return Accepted()
			}}
			b := startBroker(t, testConfig(), h)
			for qos := range 3 {
				out, err := mosquitto(t, "mosquitto_pub", b, "app-1", "-V", version, "-q", fmt.Sprint(qos), "-t", ReportTopic(testWard, "app-1"), "-m", "good").CombinedOutput()
				if err != nil {
					t.Errorf("QoS %d: %v: %s", qos, err, out)
				}
			}
			if all := h.wait(t, 3); len(all) != 3 || string(all[0].Payload) != "good" {
				t.Errorf("reports are %v", all)
			}
			out, err := mosquitto(t, "mosquitto_pub", b, "app-1", "-V", version, "-q", "1", "-t", ReportTopic(testWard, "app-1"), "-m", "bad").CombinedOutput()
			if version == "mqttv311" && err != nil {
				t.Errorf("a malformed report jams a 3.1.1 client: %v: %s", err, out)
			}
			if version == "mqttv5" && !strings.Contains(string(out), "Payload format invalid") {
				t.Errorf("a version 5 client is told %q", out)
			}
			_, err = mosquitto(t, "mosquitto_pub", b, "app-1", "-V", version, "-q", "1", "-t", "x", "-m", "x", "-P", "wrong").CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
				t.Errorf("a wrong password is let in: %v", err)
			}

			sub := mosquitto(t, "mosquitto_sub", b, "app-2", "-V", version, "-q", "1", "-C", "3", "-F", "%t %q %p",
				"-t", ReceiptTopic(testWard, "app-2"), "-t", AlertTopic(testWard))
			var read strings.Builder
			sub.Stdout, sub.Stderr = &read, &read
			if err := sub.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return b.Send("app-2", Receipt, []byte("r1")) })
			b.Send("app-2", Receipt, []byte("r2"))
			if n := b.Announce(testWard, []byte("alert"), nil); n != 1 {
				t.Errorf("announced to %d", n)
			}
			if err := sub.Wait(); err != nil {
				t.Errorf("mosquitto_sub: %v: %s", err, read.String())
			}
			want := "wardline/v1/26704/app-2/receipt 1 r1\nwardline/v1/26704/app-2/receipt 1 r2\nwardline/v1/26704/alert 1 alert\n"
			if read.String() != want {
				t.Errorf("it read %q", read.String())
			}
		})
	}
}
