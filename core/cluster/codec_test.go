package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"
)

func TestEntry_FlippedBit_IsFound(t *testing.T) {
	b := packEntry([][]byte{[]byte("one"), []byte("two")})
	items, err := unpackEntry(b)
	if err != nil || len(items) != 2 || string(items[1]) != "two" {
		t.Fatalf("%q, %v", items, err)
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			if _, err := unpackEntry(c); err == nil {
				t.Fatalf("bit %d of byte %d flipped unseen", bit, i)
			}
		}
	}
}

func TestEntry_LargestItem_Fits(t *testing.T) {
	if n := len(packEntry([][]byte{make([]byte, MaxItem)})); n > maxEntryBytes {
		t.Fatalf("%d bytes", n)
	}
}

func TestEntry_OfADrain_IsStoredPacked_AndComesBackTheSame(t *testing.T) {
	var items [][]byte
	for i := range 100 {
		items = append(items, fmt.Appendf(bytes.Repeat([]byte("hẻm 12, tầng 4; "), 40), "%d", i))
	}
	b := packEntry(items)
	if b[0] != entryPacked || len(b) > 20<<10 {
		t.Fatalf("format %d, %d bytes", b[0], len(b))
	}
	got, err := unpackEntry(b)
	if err != nil || len(got) != len(items) {
		t.Fatalf("%d items, %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], items[i]) {
			t.Fatalf("item %d is another", i)
		}
	}
	b[len(b)/2] ^= 1
	if _, err := unpackEntry(b); !errors.Is(err, errEntrySum) {
		t.Fatalf("flipped bit: %v", err)
	}
}

func FuzzUnpackEntry(f *testing.F) {
	f.Add(packEntry([][]byte{bytes.Repeat([]byte("alike "), 1000), []byte("one")}))
	f.Add(packEntry([][]byte{[]byte("one"), bytes.Repeat([]byte("x"), 300)}))
	f.Add([]byte{entryFormat, 0, 0, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := unpackEntry(b)
		if err != nil {
			return
		}
		again, err := unpackEntry(packEntry(items))
		if err != nil || len(again) != len(items) {
			t.Fatalf("%d items became %d, %v", len(items), len(again), err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, frame{7, askPropose, []byte("body")}))
	f.Add([]byte{0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 2})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := readFrame(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if got := appendFrame(nil, fr); !bytes.Equal(got, b[:len(got)]) {
			t.Fatalf("%x became %x", b, got)
		}
	})
}

func stream(t testing.TB, payload []byte) []byte {
	t.Helper()
	r := newStreamReader(&Snapshot{Index: 42, Size: int64(len(payload)), ReadCloser: io.NopCloser(bytes.NewReader(payload))}, func() {})
	b, err := io.ReadAll(iotest.OneByteReader(r))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != streamSize(int64(len(payload))) {
		t.Fatalf("%d bytes, announced %d", len(b), streamSize(int64(len(payload))))
	}
	return b
}

func readStream(b []byte) ([]byte, error) {
	if len(b) < streamHeader {
		return nil, errStreamShort
	}
	_, size, err := readStreamHeader(b[:streamHeader])
	if err != nil {
		return nil, err
	}
	return io.ReadAll(newStreamBody(bytes.NewReader(b[streamHeader:]), size))
}

func TestStream_CutOrFlipped_NeverEndsWell(t *testing.T) {
	payload := []byte("the whole state of the city")
	b := stream(t, payload)
	if got, err := readStream(b); err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range b {
		if _, err := readStream(b[:i]); err == nil {
			t.Fatalf("cut at %d unseen", i)
		}
		if i >= 4 && i < 12 {
			continue // the applied index is held against the State itself
		}
		c := bytes.Clone(b)
		c[i] ^= 1
		if _, err := readStream(c); err == nil {
			t.Fatalf("byte %d flipped unseen", i)
		}
	}
}

func TestStream_StateGivesLessThanItSaid_IsAnError(t *testing.T) {
	r := newStreamReader(&Snapshot{Size: 10, ReadCloser: io.NopCloser(bytes.NewReader([]byte("short")))}, func() {})
	if _, err := io.ReadAll(r); !errors.Is(err, errStreamShort) {
		t.Fatal(err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(stream(f, []byte("payload")))
	f.Add([]byte(streamMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readStream(b)
		if err == nil && !bytes.Equal(stream(t, got)[streamHeader:], b[streamHeader:streamHeader+len(got)+streamTrailer]) {
			t.Fatal("what was read is not what was sent")
		}
	})
}

func TestAnswer_Errors_KeepTheirMeaningOnTheWay(t *testing.T) {
	for _, want := range []error{ErrUnknown, ErrNotLeader, ErrNoLeader, ErrBusy, ErrNoSpace, ErrTooLarge, ErrRefused} {
		tag, body := encodeError(fmt.Errorf("while testing: %w", want))
		if got := decodeError(tag, body); !errors.Is(got, want) || got.Error() != "while testing: "+want.Error() {
			t.Errorf("%v became %v", want, got)
		}
	}
	// What is not known may have happened.
	tag, body := encodeError(errors.New("something new"))
	if got := decodeError(tag, body); !errors.Is(got, ErrUnknown) {
		t.Errorf("%v", got)
	}
	if got := decodeError(200, nil); !errors.Is(got, ErrUnknown) {
		t.Errorf("%v", got)
	}
	// A leader that closes took nothing, and another one is to be looked for.
	tag, body = encodeError(ErrClosed)
	if got := decodeError(tag, body); !errors.Is(got, ErrNotLeader) {
		t.Errorf("%v", got)
	}
}
