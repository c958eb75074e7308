package broker

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// batcher answers as the ledger's committer does: from one goroutine, many at once.
type batcher struct {
	desk
	in chan func(Answer)
}

func (h *batcher) HandleReport(_ Publish, answer func(Answer)) { h.in <- answer }
func (h *batcher) HandleStatus(Status)                         {}

func (h *batcher) run() {
	var batch []func(Answer)
	for answer := range h.in {
		batch = append(batch[:0], answer)
		for len(batch) < 256 && len(h.in) > 0 {
			batch = append(batch, <-h.in)
		}
		for _, answer := range batch {
			answer(Accepted())
		}
	}
}

// BenchmarkBroker_PublishAck measures publish to PUBACK, without a store: clients
// that keep a window of publishes on their way.
func BenchmarkBroker_PublishAck(b *testing.B) {
	for _, x := range []struct{ clients, window int }{{1, 1}, {1, 32}, {16, 32}, {256, 1}} {
		clients := x.clients
		b.Run(fmt.Sprintf("clients=%d/window=%d/payload=512", clients, x.window), func(b *testing.B) {
			h := &batcher{in: make(chan func(Answer), 1024)}
			var answering sync.WaitGroup
			answering.Go(h.run)
			c := testConfig()
			br := startBroker(b, c, h)
			var load []*rawClient
			for i := range clients {
				load = append(load, mustLogin(b, br, as(fmt.Sprintf("app-%d", i))))
			}
			b.ReportAllocs()
			b.ResetTimer()
			start := time.Now()
			var all sync.WaitGroup
			for i, cl := range load {
				n := b.N / clients
				if i < b.N%clients {
					n++
				}
				all.Go(func() { pump(b, cl, fmt.Sprintf("app-%d", i), n, x.window, 512) })
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "acks/s")
			b.StopTimer()
			for _, cl := range load {
				_ = cl.nc.Close()
			}
			waitFor(b, func() bool { return br.Stats().Connections == 0 })
			close(h.in)
			answering.Wait()
		})
	}
}

// pump sends n reports with at most window of them unacknowledged.
func pump(b *testing.B, c *rawClient, device string, n, window, payload int) {
	pk := c.publishBytes(ReportTopic(testWard, device), 1, 1, make([]byte, payload), false)
	at := len(pk) - payload - 2
	buf := make([]byte, 0, window*len(pk))
	var ack [4]byte
	for sent, acked := 0, 0; acked < n; {
		buf = buf[:0]
		for sent < n && sent-acked < window {
			sent++
			id := uint16(sent%65535 + 1)
			pk[at], pk[at+1] = byte(id>>8), byte(id)
			buf = append(buf, pk...)
		}
		if len(buf) > 0 {
			if _, err := c.nc.Write(buf); err != nil {
				b.Error(err)
				return
			}
		}
		for first := true; first || c.br.Buffered() >= 4; first = false {
			if _, err := c.br.Read(ack[:1]); err != nil {
				b.Error(err)
				return
			}
			for i := 1; i < 4; {
				k, err := c.br.Read(ack[i:])
				if err != nil {
					b.Error(err)
					return
				}
				i += k
			}
			acked++
			if ack[0] != 0x40 || ack[2] != byte((acked%65535+1)>>8) || ack[3] != byte(acked%65535+1) {
				b.Errorf("acknowledgement %d is %x", acked, ack)
				return
			}
		}
	}
}
