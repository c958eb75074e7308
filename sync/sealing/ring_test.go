package sealing

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wardline/sync/record"
)

func mustRing(t *testing.T, dir string, disk *Disk) *Ring {
	t.Helper()
	r, err := OpenRing(dir, disk)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func put(t *testing.T, r *Ring, gen uint32) [8]byte {
	t.Helper()
	s := NewSecret()
	if err := r.Put(gen, s); err != nil {
		t.Fatal(err)
	}
	if !r.Use(KeyName(s)) {
		t.Fatal("a key that was put is not there")
	}
	return KeyName(s)
}

// TestRing_OldKeyDestroyed_UnwrapsNothingAndLeavesNoFile, and what was wrapped anew
// is read after a restart.
func TestRing_OldKeyDestroyed_UnwrapsNothingAndLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	r := mustRing(t, dir, nil)
	first := put(t, r, 1)
	old := r.Wrap(record.KeyID{1}, record.PartKey{2})
	put(t, r, 2)
	p, err := r.Unwrap(old)
	if err != nil || p != (record.PartKey{2}) || !r.Older() {
		t.Fatal(err)
	}
	now := r.Wrap(record.KeyID{1}, p)
	if err := r.DestroyOlder(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Unwrap(old); !errors.Is(err, record.ErrSealed) {
		t.Errorf("a destroyed key unwraps: %v", err)
	}
	if _, _, ok := r.Secret(first); ok || r.Older() {
		t.Error("it is still here")
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("%v (%v)", list, err)
	}
	again := mustRing(t, dir, nil)
	gen, id := again.Latest()
	if gen != 2 || !again.Use(id) {
		t.Fatal(gen)
	}
	if p, err := again.Unwrap(now); err != nil || p != (record.PartKey{2}) {
		t.Error(p, err)
	}
}

// TestRing_OfTwoKeysOfOneGeneration_TheOtherGoesWithTheTurn: two leaders made one each.
func TestRing_OfTwoKeysOfOneGeneration_TheOtherGoesWithTheTurn(t *testing.T) {
	r := mustRing(t, t.TempDir(), nil)
	other := NewSecret()
	if err := r.Put(1, other); err != nil {
		t.Fatal(err)
	}
	put(t, r, 1)
	next := NewSecret()
	if err := r.Put(2, next); err != nil { // prepared, not in use
		t.Fatal(err)
	}
	if err := r.DestroyOlder(); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := r.Secret(KeyName(other)); ok {
		t.Error("the other key of the generation is kept")
	}
	if _, _, ok := r.Secret(KeyName(next)); !ok {
		t.Error("the next key is destroyed")
	}
}

// TestDisk_FilesAreSealed_UnderItsKeyAlone: a wrong one is named, files of before are
// taken over when the key is set, changes or goes, and nothing is made where a key is missing.
func TestDisk_FilesAreSealed_UnderItsKeyAlone(t *testing.T) {
	dir, keys := t.TempDir(), t.TempDir()
	disk := func(now, before string) *Disk {
		t.Helper()
		for _, name := range []string{now, before} {
			if name != "" {
				if err := os.WriteFile(filepath.Join(keys, name), []byte(name + "-key, thirty-two bytes long......")[:32], 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		path := func(name string) string {
			if name == "" {
				return ""
			}
			return filepath.Join(keys, name)
		}
		d, err := OpenDisk(path(now), path(before))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	id := put(t, mustRing(t, dir, nil), 1)
	list, err := filepath.Glob(filepath.Join(dir, "wrapping-*"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for _, x := range []struct {
		now, before string
		size        int
	}{{"a", "", sealedFile}, {"a", "", sealedFile}, {"b", "a", sealedFile}, {"b", "a", sealedFile}, {"b", "", sealedFile}} {
		if r := mustRing(t, dir, disk(x.now, x.before)); !r.Use(id) {
			t.Errorf("%+v: the key is not there", x)
		}
		if raw, err := os.ReadFile(list[0]); err != nil || len(raw) != x.size {
			t.Errorf("%+v: %d bytes (%v)", x, len(raw), err)
		}
	}
	for _, wrong := range []*Disk{nil, disk("", ""), disk("a", ""), disk("c", "a")} {
		if _, err := OpenRing(dir, wrong); !errors.Is(err, ErrOtherKey) {
			t.Errorf("with another key: %v", err)
		}
	}
	if _, err := OpenDisk(filepath.Join(keys, "gone"), ""); err == nil {
		t.Error("a missing key was made")
	}
}

func TestRing_NextWrapper_WaitsForTheFirstAndForAnother(t *testing.T) {
	r := mustRing(t, t.TempDir(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.NextWrapper(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	put(t, r, 1)
	one, err := r.NextWrapper(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *record.Wrapper, 1)
	go func() {
		w, err := r.NextWrapper(t.Context(), one)
		if err != nil {
			t.Error(err)
		}
		got <- w
	}()
	two := put(t, r, 2)
	if w := <-got; w.ID != two {
		t.Errorf("%x", w.ID)
	}
}

// TestRing_SealedRaw_IsReadUntilItsKeyIsDestroyed, and a changed byte is no content.
func TestRing_SealedRaw_IsReadUntilItsKeyIsDestroyed(t *testing.T) {
	r := mustRing(t, t.TempDir(), nil)
	put(t, r, 1)
	b, err := r.SealRaw(t.Context(), []byte("Quách Thị Bí Mật"))
	if err != nil || bytes.Contains(b, []byte("Bí Mật")) {
		t.Fatal(err)
	}
	put(t, r, 2)
	if plain, err := r.OpenRaw(b); err != nil || string(plain) != "Quách Thị Bí Mật" {
		t.Fatalf("%q (%v)", plain, err)
	}
	for _, bad := range [][]byte{nil, b[:40], append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1)} {
		if _, err := r.OpenRaw(bad); err == nil {
			t.Errorf("%d damaged bytes were opened", len(bad))
		}
	}
	if err := r.DestroyOlder(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.OpenRaw(b); !errors.Is(err, record.ErrSealed) {
		t.Errorf("after its key was destroyed: %v", err)
	}
}

func TestRing_FileThatIsNotTheKeyOfItsName_IsNamed(t *testing.T) {
	dir := t.TempDir()
	put(t, mustRing(t, dir, nil), 1)
	list, err := filepath.Glob(filepath.Join(dir, "wrapping-*"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := os.WriteFile(list[0], make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRing(dir, nil); err == nil {
		t.Error("another key under the name was taken")
	}
}
