package powercut

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func mustOpen(t testing.TB, size int64) *Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// serveDisk gives the disk at a loopback address until the test ends.
func serveDisk(t testing.TB, d *Disk) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, d) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func filled(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// at reads one byte of each sector.
func at(t testing.TB, d *Disk, n int) (out []byte) {
	t.Helper()
	p := make([]byte, n*sector)
	if _, err := d.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		out = append(out, p[i*sector])
	}
	return out
}

func TestDisk_Cut_KeepsWhatWasFlushedAndForced_AndAnyPartOfTheRest(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(200) {
		d := mustOpen(t, 64*sector)
		for _, err := range []error{
			d.WriteAt(filled('a', 4*sector), 0, false), d.Flush(),
			d.WriteAt(filled('b', 4*sector), 2*sector, false), // over two that are sure
			d.WriteAt(filled('c', sector), 3*sector, true),
			d.WriteAt(filled('d', sector), 8*sector, true),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := string(at(t, d, 9)); got != "aabcbb\x00\x00d" {
			t.Fatalf("before the cut %q", got)
		}
		if _, _, err := d.Cut(rand.New(rand.NewPCG(seed, 1))); err != nil {
			t.Fatal(err)
		}
		got := at(t, d, 9)
		if string(got[:2]) != "aa" || got[3] != 'c' || got[8] != 'd' {
			t.Fatalf("seed %d: what was sure is gone: %q", seed, got)
		}
		for _, i := range []int{2, 4, 5} {
			switch {
			case got[i] == 'b':
				kept++
			case got[i] == map[int]byte{2: 'a'}[i]:
				lost++
			default:
				t.Fatalf("seed %d: sector %d holds %q, which was never written there", seed, i, got[i])
			}
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d sectors lost and %d kept; both must happen", lost, kept)
	}
}

func TestDisk_MoreThanTheCacheHolds_OldestIsWrittenBack(t *testing.T) {
	d := mustOpen(t, maxPending+4<<20)
	for off := int64(0); off < d.Size(); off += 1 << 20 {
		if err := d.WriteAt(filled('x', 1<<20), off, false); err != nil {
			t.Fatal(err)
		}
	}
	if d.held > maxPending {
		t.Errorf("%d bytes wait, at most %d may", d.held, maxPending)
	}
	if _, _, err := d.Cut(rand.New(rand.NewPCG(3, 3))); err != nil {
		t.Fatal(err)
	}
	if got := at(t, d, 1); got[0] != 'x' {
		t.Error("the oldest write is gone, though the cache had no room for it")
	}
}

func TestDisk_FuseBurnt_WriteWaitsAndNothingIsAnsweredUntilTheCut(t *testing.T) {
	d := mustOpen(t, 8*sector)
	d.Light(2)
	if err := d.WriteAt(filled('a', sector), 0, false); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAt(filled('b', sector), sector, false); !errors.Is(err, errDead) {
		t.Fatalf("the write with which the power goes: %v", err)
	}
	if err := d.Flush(); !errors.Is(err, errDead) || !d.Dead() {
		t.Errorf("a flush without power: %v", err)
	}
	if waiting, _, err := d.Cut(rand.New(rand.NewPCG(1, 1))); waiting != 2 || err != nil {
		t.Errorf("%d writes waited, %v; want 2", waiting, err)
	}
	if err := d.Flush(); err != nil {
		t.Errorf("with power again: %v", err)
	}
}

func TestDisk_OutsideOrNotWholeSectors_Refused(t *testing.T) {
	d := mustOpen(t, 8*sector)
	for _, c := range []struct {
		off int64
		n   int
	}{{8 * sector, sector}, {-sector, sector}, {0, 9 * sector}, {1, sector}, {0, 100}, {1<<63 - 512, sector}} {
		if err := d.WriteAt(make([]byte, c.n), c.off, false); err == nil {
			t.Errorf("%d bytes at %d were taken", c.n, c.off)
		}
	}
}

func tool(t *testing.T, name string, arg ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (apt-get install qemu-utils libnbd-bin)", name)
	}
	out, err := exec.Command(name, arg...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, arg, err, out)
	}
	return string(out)
}

func TestServer_NbdInfo_SeesTheDiskWithFlushAndFUA(t *testing.T) {
	out := tool(t, "nbdinfo", "nbd://"+serveDisk(t, mustOpen(t, 8<<20)))
	for _, want := range []string{"export-size: 8388608", "can_flush: true", "can_fua: true", "is_read_only: false"} {
		if !strings.Contains(out, want) {
			t.Errorf("nbdinfo does not say %q:\n%s", want, out)
		}
	}
}

func TestServer_QemuIO_FlushedSurvivesTheCut(t *testing.T) {
	d := mustOpen(t, 8<<20)
	url := "nbd://" + serveDisk(t, d)
	tool(t, "qemu-io", "-f", "raw", "-t", "writeback", "-c", "write -P 0x61 0 1M", "-c", "flush", "-c", "write -f -P 0x62 2M 4k", "-c", "read -P 0x61 0 1M", "-c", "read -P 0 4M 64k", url)
	if _, _, err := d.Cut(rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	out := tool(t, "qemu-io", "-f", "raw", "-r", "-c", "read -P 0x61 0 1M", "-c", "read -P 0x62 2M 4k", url)
	if strings.Contains(out, "failed") {
		t.Errorf("what was flushed or forced is not there:\n%s", out)
	}
}

func TestServer_QemuImg_CopiesWhatItWrote(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	want := make([]byte, 4<<20)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(want) // never fails
	if err := os.WriteFile(from, want, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "nbd://" + serveDisk(t, mustOpen(t, 4<<20))
	tool(t, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", from, url)
	tool(t, "qemu-img", "convert", "-f", "raw", "-O", "raw", url, to)
	got, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("what came back is not what was written")
	}
}

// wireOf is a client's words, for a server that reads them.
type wireOf struct {
	io.Reader
	io.Writer
}

// hello is a client's flags and the option to go.
func hello() []byte {
	b := binary.BigEndian.AppendUint32(nil, flagFixed|flagNoZeroes)
	b = binary.BigEndian.AppendUint64(b, magicOption)
	b = binary.BigEndian.AppendUint32(b, optGo)
	b = binary.BigEndian.AppendUint32(b, 6)
	return append(b, make([]byte, 6)...)
}

func asked(flags, cmd uint16, off uint64, n uint32, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magicRequest)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, cmd)
	b = binary.BigEndian.AppendUint64(b, 7)
	b = binary.BigEndian.AppendUint64(b, off)
	return append(binary.BigEndian.AppendUint32(b, n), data...)
}

func TestServer_RequestOutside_AnErrorAndTheConnectionGoesOn(t *testing.T) {
	d := mustOpen(t, 8*sector)
	words := bytes.Join([][]byte{hello(), asked(0, cmdWrite, 8*sector, sector, make([]byte, sector)), asked(0, cmdRead, 1<<63, sector, nil),
		asked(cmdFUA, cmdWrite, 0, sector, filled('z', sector)), asked(0, cmdRead, 0, sector, nil), asked(0, cmdEnd, 0, 0, nil)}, nil)
	var out bytes.Buffer
	if err := serve(t.Context(), wireOf{bytes.NewReader(words), &out}, d); err != nil {
		t.Fatal(err)
	}
	reply := func(code uint32, data []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, magicReply)
		b = binary.BigEndian.AppendUint32(b, code)
		return append(binary.BigEndian.AppendUint64(b, 7), data...)
	}
	want := bytes.Join([][]byte{reply(codeSpace, nil), reply(codeInvalid, nil), reply(0, nil), reply(0, filled('z', sector))}, nil)
	if !bytes.HasSuffix(out.Bytes(), want) {
		t.Errorf("the replies are %x", out.Bytes())
	}
}

// FuzzServer: whatever a client sends, the server ends with the connection, and
// answers with no more than was asked for.
func FuzzServer(f *testing.F) {
	f.Add(hello())
	f.Add(bytes.Join([][]byte{hello(), asked(cmdFUA, cmdWrite, 0, sector, make([]byte, sector)), asked(0, cmdFlush, 0, 0, nil), asked(0, cmdRead, 0, 1024, nil)}, nil))
	f.Add(bytes.Join([][]byte{hello(), asked(0, cmdRead, 1<<40, 1<<31, nil), asked(0, 9, 0, 0, nil)}, nil))
	d := mustOpen(f, 64*sector)
	f.Fuzz(func(t *testing.T, words []byte) {
		var out bytes.Buffer
		_ = serve(t.Context(), wireOf{bytes.NewReader(words), &out}, d) // how it ends is the client's doing
		if out.Len() > 1<<20+len(words)*64*sector {
			t.Errorf("%d bytes were answered to %d", out.Len(), len(words))
		}
	})
}
