package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// FuzzVerify: whatever is handed in, nothing passes but what the city wrote.
func FuzzVerify(f *testing.F) {
	honest := [][]byte{mustCity(f, 20, 0).export(f, 1), mustCity(f, 21, 5).export(f, 2), proof(f)}
	for _, raw := range honest {
		f.Add(raw)
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := verify(raw, Options{})
		if err != nil {
			return
		}
		for _, h := range honest {
			if bytes.Equal(h, raw) {
				return
			}
		}
		t.Fatal("passed, and the city did not write it")
	})
}

func TestVerify_LengthsThatPromiseMuch_CostLittle(t *testing.T) {
	head := split(t, mustCity(t, 23, 0).export(t, 1))[:2]
	for _, size := range []uint32{maxFrame, maxFrame + 1, 1<<32 - 1} {
		raw := binary.BigEndian.AppendUint32(append(join(head), frameEntry), size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := verify(raw, Options{})
		runtime.ReadMemStats(&after)
		var f *Fault
		if !errors.As(err, &f) || after.TotalAlloc-before.TotalAlloc > 2<<20 {
			t.Errorf("%d: %v, %d bytes", size, err, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

func TestVerify_NamesInTheFile_DoNotReachTheTerminalRaw(t *testing.T) {
	c := mustCity(t, 24, 3)
	c.entries[1].Link.Origin = "ward\x1b[2J\n"
	_, err := verify(c.export(t, 10), Options{})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Fatalf("%q", err)
	}
}

func TestVerify_NewerFormat_SaysSo(t *testing.T) {
	raw := mustCity(t, 25, 1).export(t, 1)
	raw[len(magic)-2] += 2
	if _, err := verify(raw, Options{}); !errors.Is(err, ErrNewer) {
		t.Fatal(err)
	}
}

func TestVerify_Ended_StopsInTheMiddle(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, bytes.NewReader(mustCity(t, 26, 3).export(t, 1)), Options{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	r := io.MultiReader(bytes.NewReader(mustCity(t, 26, 3).export(t, 1)[:400]), brokenDisk{})
	if _, err := Verify(context.Background(), r, Options{}); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
}

var errDisk = errors.New("input/output error")

type brokenDisk struct{}

func (brokenDisk) Read([]byte) (int, error) { return 0, errDisk }

// endless gives one city's log again and again as the lives of one station, n entries in
// all, without ever holding them: for figures.
func endless(t testing.TB, n int) io.ReadCloser {
	r, w := io.Pipe()
	c := mustCity(t, 27, 1)
	e := c.entries[0]
	e.Body = append(e.Body, make([]byte, 64)...)[:len(e.Body)] // as reports are
	statement := c.statement(t)
	go func() {
		x := NewLog(w, c.signer.Key, [][]byte{statement})
		e.Link.Pred.Seq, e.Link.Seq = 0, 0
		e.Link.Prev = [32]byte{}
		for i := range n {
			e.Index, e.Link.Seq, e.Link.HLC = uint64(i+1), e.Link.Seq+1, e.Link.HLC+1
			x.Add(&e)
			e.Link.Prev = e.Hash()
		}
		note, err := c.signer.SignCheckpoint(Checkpoint{x.Size(), x.Root(), 1})
		if err != nil {
			w.CloseWithError(err)
			return
		}
		x.Checkpoint(note)
		for id, h := range x.heads {
			rc := c.receipt(id, h.seq, h.hash, uint64(n))
			x.Receipt(&rc)
		}
		w.CloseWithError(x.Close())
	}()
	return r
}

func TestVerify_ALongLog_TakesNoMemoryForItsLength(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	r := endless(t, n)
	defer r.Close()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := uint64(0)
	res, err := Verify(context.Background(), r, Options{Progress: func(uint64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}})
	if err != nil || res.Entries != uint64(n) {
		t.Fatal(res, err)
	}
	if most > before.HeapAlloc+4<<20 {
		t.Errorf("%d bytes for %d entries", most-before.HeapAlloc, n)
	}
}

func BenchmarkVerify_Entries(b *testing.B) {
	const n = 50_000
	c := mustCity(b, 28, n)
	raw := c.export(b, 5000)
	b.SetBytes(int64(len(raw)))
	b.ResetTimer()
	for b.Loop() {
		if _, err := verify(raw, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
}
