package edge

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wardline/edge/broker"
	"wardline/sync/identity"
	"wardline/sync/rates"
)

// BenchmarkStation_Flood sends reports of 512 bytes by MQTT, QoS 1, to a station whose line is cut,
// over several connections that keep a window of them on their way. cpu-us/op is the processor time of the
// process, this load with it, until the last acknowledgement; settled-us/op with what the lists do after that.
func BenchmarkStation_Flood(b *testing.B) {
	for _, x := range []struct{ clients, window int }{{1, 1}, {16, 32}} {
		b.Run(fmt.Sprintf("clients=%d/window=%d", x.clients, x.window), func(b *testing.B) {
			c := testConfig(b.TempDir())
			c.MQTT = "127.0.0.1:0"
			c.Limits = rates.Config{Off: true}
			for i := 1; i < x.clients; i++ {
				c.Devices = append(c.Devices, identity.DeviceAccount{ID: fmt.Sprintf("app-%d", i+1), Password: testPassword, Ward: "26704", Kind: "app"})
			}
			if key := os.Getenv("WARDLINE_FLOOD_DISK_KEY"); key != "" { // what encryption costs
				c.DiskKey = key
			}
			st := startStation(b, c)
			var load []*flooder
			for i := range x.clients {
				load = append(load, newFlooder(b, st.MQTTAddrs()[0].String(), fmt.Sprintf("app-%d", i+1), uint16(i)))
			}
			b.ReportAllocs()
			b.ResetTimer()
			cpu, began := processorTime(b), time.Now()
			var all sync.WaitGroup
			for i, f := range load {
				all.Go(func() { f.run(b, (b.N+i)/x.clients, x.window) })
			}
			all.Wait()
			b.StopTimer()
			n := float64(b.N)
			b.ReportMetric(n/time.Since(began).Seconds(), "acks/s")
			b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/n, "cpu-us/op")
			b.ReportMetric(anonymous(b), "RssAnon-MB")
			b.ReportMetric(n/float64(st.ledger.Stats().Batches), "reports/sync")
			waitFor(b, "the lists show all of it", func() bool { return st.view.Position() == st.ledger.Position() })
			b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/n, "settled-us/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// anonymous is the process's RssAnon, in MB.
func anonymous(b *testing.B) (mb float64) {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			if _, err := fmt.Sscanf(v, "%f", &mb); err != nil {
				b.Fatal(err)
			}
		}
	}
	return mb / 1e3
}

// flooder is a client with one report, whose ids it counts up.
type flooder struct {
	c      net.Conn
	r      *bufio.Reader
	packet []byte
	idAt   int // of the packet id
	numAt  int // of the report id's last 12 digits
}

func newFlooder(b *testing.B, addr, device string, seed uint16) *flooder {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	str := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	packet := func(first byte, body string) []byte {
		return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
	}
	f := &flooder{c: c, r: bufio.NewReader(c)}
	if _, err := c.Write(packet(0x10, str("MQTT")+"\x04\xc2\x00\x3c"+str(device)+str(device)+str(testPassword))); err != nil {
		b.Fatal(err)
	}
	if ack, err := f.r.Peek(4); err != nil || string(ack) != "\x20\x02\x00\x00" {
		b.Fatalf("CONNACK %x, %v", ack, err)
	}
	_, _ = f.r.Discard(4)
	topic := str(broker.ReportTopic("26704", device))
	head := fmt.Sprintf(`{"id":"018f3c1e-%04x-7c3d-8e4f-`, seed)
	rest := fmt.Sprintf(`","category":%q,"location":{"lat":10.77%04d,"lon":106.70%04d,"accuracy_m":12},"reporter":{"name":"Nguyễn Văn An","phone":"0901234567"},"text":"`,
		[]string{"security", "feedback", "fire", "crime"}[seed%4], seed, seed)
	text := strings.Repeat("x", 512-len(head)-12-len(rest)-2)
	f.packet = packet(0x32, topic+"\x00\x00"+head+"000000000000"+rest+text+`"}`)
	f.numAt = strings.Index(string(f.packet), "000000000000")
	f.idAt = f.numAt - len(head) - 2
	return f
}

func (f *flooder) run(b *testing.B, n, window int) {
	buf := make([]byte, 0, window*len(f.packet))
	var ack [4]byte
	for sent, acked := 0, 0; acked < n; acked++ {
		if f.r.Buffered() == 0 { // all that came is counted; fill the window
			buf = buf[:0]
			for ; sent < n && sent-acked < window; sent++ {
				binary.BigEndian.PutUint16(f.packet[f.idAt:], uint16(sent%0xffff+1))
				hex.Encode(f.packet[f.numAt:], binary.BigEndian.AppendUint64(nil, uint64(sent))[2:])
				buf = append(buf, f.packet...)
			}
			if len(buf) > 0 {
				if _, err := f.c.Write(buf); err != nil {
					b.Error(err)
					return
				}
			}
		}
		if _, err := io.ReadFull(f.r, ack[:]); err != nil || ack[0] != 0x40 || binary.BigEndian.Uint16(ack[2:]) != uint16(acked%0xffff+1) {
			b.Errorf("acknowledgement %d is %x, %v", acked, ack, err)
			return
		}
	}
}
