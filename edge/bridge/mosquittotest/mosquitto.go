// Package mosquittotest runs a real Mosquitto for tests: Debian's, on loopback,
// with its own directory, so that it can be stopped and started again with what
// it had kept.
package mosquittotest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// patience is how long a test waits for what must come; the machine may be busy.
const patience = 60 * time.Second

// Broker is one Mosquitto.
type Broker struct {
	t    testing.TB
	dir  string
	conf string // added to the configuration
	port int
	ws   int
	more [2]int
	cmd  *exec.Cmd
	done chan struct{}
}

// Start runs a Mosquitto until the test ends; conf is added to its configuration,
// where PORT1 and PORT2 stand for two more free ports. Unless conf names a password_file, anybody
// may connect. The test is skipped only where Mosquitto cannot be had.
func Start(t testing.TB, conf string) *Broker {
	t.Helper()
	b := &Broker{t: t, dir: t.TempDir(), conf: conf}
	if _, err := find(); err != nil {
		t.Skipf("mosquitto is not installed: %v; deploy/setup.sh installs it", err)
	}
	for try := 0; ; try++ {
		b.port, b.ws, b.more = FreePort(t), FreePort(t), [2]int{FreePort(t), FreePort(t)}
		if b.start() {
			break
		}
		if try == 5 {
			log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
			t.Fatalf("mosquitto does not start:\n%s", log)
		}
	}
	t.Cleanup(b.Stop)
	return b
}

func find() (string, error) {
	if p, err := exec.LookPath("mosquitto"); err == nil {
		return p, nil
	}
	return exec.LookPath("/usr/sbin/mosquitto")
}

// FreePort is below the kernel's own range, so that no connection of a brother takes it.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		var r [2]byte
		_, _ = rand.Read(r[:]) // never fails
		port := 20000 + int(binary.BigEndian.Uint16(r[:]))%10000
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// Addr is host:port of the TCP listener.
func (b *Broker) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// URL is the TCP listener.
func (b *Broker) URL() string { return "tcp://" + b.Addr() }

// WS is the WebSocket listener.
func (b *Broker) WS() string { return fmt.Sprintf("ws://127.0.0.1:%d", b.ws) }

// Extra is host:port of PORT1 or PORT2.
func (b *Broker) Extra(n int) string { return fmt.Sprintf("127.0.0.1:%d", b.more[n-1]) }

// Restart stops it, if it runs, and starts it again on the same ports with what it kept.
func (b *Broker) Restart() {
	b.t.Helper()
	b.Stop()
	end := time.Now().Add(patience)
	for !b.start() {
		if time.Now().After(end) {
			b.t.Fatal("mosquitto does not start again")
		}
	}
}

func (b *Broker) start() bool {
	b.t.Helper()
	bin, err := find()
	if err != nil {
		b.t.Fatal(err)
	}
	anonymous := "allow_anonymous true\n"
	if strings.Contains(b.conf, "password_file") {
		anonymous = ""
	}
	conf := fmt.Sprintf("user root\npersistence true\npersistence_location %s/\nmax_queued_messages 0\nlog_dest file %s/log\n%slistener %d 127.0.0.1\nlistener %d 127.0.0.1\nprotocol websockets\n%s\n",
		b.dir, b.dir, anonymous, b.port, b.ws, strings.NewReplacer("PORT1", strconv.Itoa(b.more[0]), "PORT2", strconv.Itoa(b.more[1])).Replace(b.conf))
	path := filepath.Join(b.dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.cmd, b.done = exec.Command(bin, "-c", path), make(chan struct{})
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // it was ended
		close(done)
	}(b.cmd, b.done)
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		select {
		case <-b.done:
			return false
		case <-time.After(10 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", b.Addr()); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

// Stop ends it cleanly; it writes its database.
func (b *Broker) Stop() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // gone already, perhaps
	select {
	case <-b.done:
	case <-time.After(patience):
		_ = b.cmd.Process.Kill()
		<-b.done
	}
}

// Client connects a device; the test's end disconnects it.
func (b *Broker) Client(id string) mqtt.Client {
	b.t.Helper()
	o := mqtt.NewClientOptions().AddBroker(b.URL()).SetClientID(id).SetAutoReconnect(false).SetOrderMatters(false)
	c := mqtt.NewClient(o)
	if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		b.t.Fatalf("connecting %s: %v", id, tok.Error())
	}
	b.t.Cleanup(func() { c.Disconnect(100) })
	return c
}

// Publish sends and waits for the broker's acknowledgement.
func (b *Broker) Publish(c mqtt.Client, topic string, qos byte, retained bool, payload []byte) {
	b.t.Helper()
	if tok := c.Publish(topic, qos, retained, payload); !tok.WaitTimeout(patience) || tok.Error() != nil {
		b.t.Fatalf("publishing: %v", tok.Error())
	}
}
