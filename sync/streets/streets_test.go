package streets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wardline/sync/streets/streetstest"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestNumber_PlacesOfTheSpecification_StandWhereItSays: the examples of the PMTiles
// specification, section "Tile ID".
func TestNumber_PlacesOfTheSpecification_StandWhereItSays(t *testing.T) {
	for _, c := range []struct {
		z    uint8
		x, y uint32
		want uint64
	}{{0, 0, 0, 0}, {1, 0, 0, 1}, {1, 0, 1, 2}, {1, 1, 1, 3}, {1, 1, 0, 4}, {2, 0, 0, 5}, {12, 3423, 1763, 19078479}} {
		if got := number(c.z, c.x, c.y); got != c.want {
			t.Errorf("%d/%d/%d: %d, not %d", c.z, c.x, c.y, got, c.want)
		}
	}
}

func read(t *testing.T, m streetstest.Map) (*File, error) {
	t.Helper()
	b := m.Write(number)
	return Read(bytes.NewReader(b), int64(len(b)))
}

// TestFile_EveryTileOfAMap_IsFoundAndTheSame: packed and not, with one directory and
// with directories behind it.
func TestFile_EveryTileOfAMap_IsFoundAndTheSame(t *testing.T) {
	for _, m := range []streetstest.Map{streetstest.Ward(), func() streetstest.Map { m := streetstest.Ward(); m.Leaves = true; return m }(),
		func() streetstest.Map { m := streetstest.Ward(); m.Plain, m.Leaves = true, true; return m }()} {
		f, err := read(t, m)
		if err != nil {
			t.Fatal(err)
		}
		if f.credit != "Bản đồ thử" || strings.Join(f.layers, " ") != "water landuse roads" {
			t.Errorf("%q, %v", f.credit, f.layers)
		}
		found := 0
		for z := m.MinZoom; z <= m.MaxZoom; z++ {
			at := [2]uint32{uint32(816 << z >> 10), uint32(481 << z >> 10)} // of the ward, at zoom 10
			for x := at[0] - 1; x <= at[0]+32; x++ {
				for y := at[1] - 1; y <= at[1]+32; y++ {
					want := m.Tile(z, x, y)
					b, gz, err := f.Tile(z, x, y)
					if want == nil {
						if !errors.Is(err, ErrNoTile) {
							t.Fatalf("%d/%d/%d: %v", z, x, y, err)
						}
						continue
					}
					if err == nil && gz {
						b, err = Plain(b)
					}
					if err != nil || !bytes.Equal(b, want) {
						t.Fatalf("%d/%d/%d: %d bytes, %v", z, x, y, len(b), err)
					}
					found++
				}
			}
		}
		if found < 20 {
			t.Errorf("%d tiles", found)
		}
		for _, at := range [][3]uint32{{15, 0, 0}, {7, 0, 0}, {10, 1 << 10, 0}, {10, 0, 1 << 10}} {
			if _, _, err := f.Tile(uint8(at[0]), at[1], at[2]); !errors.Is(err, ErrNoTile) {
				t.Errorf("%v: %v", at, err)
			}
		}
	}
}

// TestRead_FileThatCannotBe_SaysWhatIsWrong: what an operator meets.
func TestRead_FileThatCannotBe_SaysWhatIsWrong(t *testing.T) {
	mend := func(f func([]byte)) []byte {
		m := streetstest.Ward()
		m.Mend = f
		return m.Write(number)
	}
	whole := streetstest.Ward().Write(number)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":       {nil, "no PMTiles file"},
		"other":       {bytes.Repeat([]byte("<html>"), 100), "no PMTiles file"},
		"version":     {mend(func(h []byte) { h[7] = 2 }), "version 2, and version 3 is read; convert it"},
		"cut":         {whole[:len(whole)-1], "is cut off: its tiles should reach to byte"},
		"header only": {whole[:127], "is cut off"},
		"far":         {mend(func(h []byte) { binary.LittleEndian.PutUint64(h[56:], 1<<63) }), "is cut off"},
		"pictures":    {mend(func(h []byte) { h[99] = 2 }), "holds PNG pictures, and only vector tiles are drawn"},
		"brotli":      {mend(func(h []byte) { h[98] = 3 }), "gzip and brotli, and gzip is read"},
		"zoom":        {mend(func(h []byte) { h[101] = 30 }), "the zooms 8 to 30"},
		"directory":   {mend(func(h []byte) { h[97] = 1 }), "a first directory that cannot be read"},
		"description": {mend(func(h []byte) { binary.LittleEndian.PutUint64(h[32:], 3) }), "a description that cannot be read"},
	} {
		if _, err := Read(bytes.NewReader(c.file), int64(len(c.file))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSource_FileComesBreaksAndIsReplaced_IsTakenUpWhenAskedNext: nobody starts anything
// anew, and no version stands for two contents.
func TestSource_FileComesBreaksAndIsReplaced_IsTakenUpWhenAskedNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "streets.pmtiles")
	var log bytes.Buffer
	s := New(path, slog.New(slog.NewTextHandler(&log, nil)))
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if i := s.Info(); i.State != Broken || !strings.Contains(i.Problem, "cannot be opened: no such file") || strings.Contains(i.Problem, path) {
		t.Errorf("%+v", i)
	}
	if n := strings.Count(log.String(), "no streets are shown"); n != 1 {
		t.Errorf("said %d times", n)
	}
	at := time.Now().Add(-time.Hour)
	put := func(b []byte) {
		t.Helper()
		at = at.Add(time.Second)
		if err := errors.Join(os.WriteFile(path, b, 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put(streetstest.Ward().Write(number))
	first := s.Info()
	if first.State != Ready || first.MaxZoom != 14 || len(first.Bounds) != 4 || first.Bounds[0] != 107.0205 {
		t.Fatalf("%+v", first)
	}
	if _, _, err := s.Tile(first.Version, 10, 816, 481); err != nil {
		t.Error(err)
	}
	put([]byte("no map"))
	if i := s.Info(); i.State != Broken || i.Problem != "the tile file is no PMTiles file" {
		t.Errorf("%+v", i)
	}
	if _, _, err := s.Tile(first.Version, 10, 816, 481); !errors.Is(err, ErrOther) {
		t.Errorf("a broken file gives %v", err)
	}
	put(streetstest.Ward().Write(number))
	again := s.Info()
	if again.State != Ready || again.Version == first.Version {
		t.Errorf("%+v", again)
	}
	if _, _, err := s.Tile(first.Version, 10, 816, 481); !errors.Is(err, ErrOther) {
		t.Errorf("an old version gives %v", err)
	}
	if i := New("", slog.New(slog.DiscardHandler)).Info(); i.State != None {
		t.Errorf("%+v", i)
	}
	if err := Check(path); err != nil {
		t.Error(err)
	}
	if err := Check(t.TempDir()); err == nil {
		t.Error("a folder is no file")
	}
}

// TestWardFile_AsKept_IsWhatTheWriterWrites: the browser's tests take the kept file.
func TestWardFile_AsKept_IsWhatTheWriterWrites(t *testing.T) {
	const name = "testdata/ward.pmtiles"
	m := streetstest.Ward()
	m.Leaves = true
	want := m.Write(number)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(name, want, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || len(got) < 1000 || len(got) > 100_000 {
		t.Fatalf("%d bytes, %v; go test ./sync/streets -update writes it", len(got), err)
	}
	if err := Check(name); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	small := streetstest.Ward()
	small.MaxZoom = 9
	f.Add(small.Write(number), uint8(9), uint32(408), uint32(240))
	small.Leaves, small.Plain = true, true
	f.Add(small.Write(number), uint8(8), uint32(204), uint32(120))
	f.Add([]byte("PMTiles\x03"), uint8(0), uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, z uint8, x, y uint32) {
		file, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		got, _, err := file.Tile(z, x, y)
		if err == nil && (len(got) > maxTile || len(got) > len(b)) {
			t.Errorf("%d bytes of a file of %d", len(got), len(b))
		}
	})
}
