package packed

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
)

func TestPack_WhatIsAlikeShrinks_AndComesBackTheSame(t *testing.T) {
	row := bytes.Repeat([]byte("khói ở tầng 4, hẻm 12; "), 500)
	for _, buf := range [][]byte{nil, make([]byte, 0, 64<<10), make([]byte, 10)} {
		p := Pack(buf, row)
		if len(p) > len(row)/4 || p[0] != Mark {
			t.Fatalf("%d of %d bytes, first %x", len(p), len(row), p[0])
		}
		got, err := Unpack(p, len(row))
		if err != nil || !bytes.Equal(got, row) {
			t.Fatalf("%v, %d bytes", err, len(got))
		}
	}
}

func TestPack_WhatHasNothingInCommonStaysItself(t *testing.T) {
	sealed := make([]byte, 8<<10)
	_, _ = rand.Read(sealed)
	sealed[0] = 1
	for _, row := range [][]byte{sealed, []byte("short short short"), {}} {
		p := Pack(nil, row)
		if !bytes.Equal(p, row) {
			t.Fatalf("%d bytes became %d", len(row), len(p))
		}
		if got, err := Unpack(p, 0); err != nil || !bytes.Equal(got, row) {
			t.Fatalf("%v", err)
		}
		got, err := Copy(p, 0)
		if err != nil || !bytes.Equal(got, row) || len(row) > 0 && &got[0] == &p[0] {
			t.Fatalf("not a copy, or another: %v", err)
		}
	}
}

func TestUnpack_MoreThanAllowed_IsDamagedBeforeAnythingIsMade(t *testing.T) {
	p := Pack(nil, make([]byte, 1<<20))
	if _, err := Unpack(p, 1<<20-1); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, err := Unpack([]byte{Mark, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}, 1<<20); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(Pack(nil, bytes.Repeat([]byte("abcdefgh"), 1000)))
	f.Add([]byte{Mark, 4, 12, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, v []byte) {
		row, err := Unpack(v, 1<<16)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if err == nil && len(v) > 0 && v[0] == Mark && len(row) > 1<<16 {
			t.Fatalf("%d bytes", len(row))
		}
	})
}
