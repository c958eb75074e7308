package city

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"wardline/sync/audit"
	"wardline/sync/record"
	"wardline/sync/sealing"
)

// TestCity_Erased_NothingOnAnyDiskOpensIt: who takes everything that stands on the
// disks of all nodes and of the station, keys included, reads a reporter's name before
// the erasure and not after it is complete; the other report is read as before, and the
// log that was exported is whole.
func TestCity_Erased_NothingOnAnyDiskOpensIt(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := startTown(t)
	cmd, ward := w.file.Command.URL, w.file.Stations[0].URL
	officer, desk, admin := w.login(cmd, "command_officer"), w.login(ward, "ward_officer"), w.login(cmd, "administrator")
	gone, stays := newID(), newID()
	for id, name := range map[string]string{gone: "Quách Thị Bí Mật", stays: "Lê Thị Còn Lại"} {
		w.wait("a report is taken", func() bool {
			s := w.do(http.DefaultClient, "POST", ward+"/api/v1/reports", fmt.Appendf(nil, `{"id":%q,"category":"fire","text":"cháy","location":{"lat":10.72,"lon":106.73,"accuracy_m":20},"reporter":{"name":%q,"phone":"0987654321"}}`, id, name), nil)
			return s == 200 || s == 201
		})
	}
	w.once([]string{gone, stays})
	opened := func(c *http.Client, base, id string) int {
		return w.do(c, "POST", base+"/api/v1/incidents/"+id+"/reporter", fmt.Appendf(nil, `{"id":%q,"report":%q,"reason":"call_back"}`, newID(), id), nil)
	}
	if opened(officer, cmd, gone) != 200 || opened(desk, ward, gone) != 200 {
		t.Fatal("the name is not readable before")
	}
	loot := openAll(t, w.dir)
	if !bytes.Contains(loot, []byte("Quách Thị Bí Mật")) || !bytes.Contains(loot, []byte("Lê Thị Còn Lại")) {
		t.Fatal("the search finds nothing even before the erasure: it proves nothing")
	}
	erase := fmt.Appendf(nil, `{"id":%q,"reason":"request","soon":true}`, newID())
	path := cmd + "/api/v1/incidents/" + gone + "/erasure"
	if s := w.do(admin, "POST", path, erase, nil); s != 409 {
		t.Fatalf("an incident that is worked on is erased: %d", s)
	}
	if s := w.do(officer, "POST", cmd+"/api/v1/incidents/"+gone+"/actions", fmt.Appendf(nil, `{"id":%q,"action":"close","reason":"true"}`, newID()), nil); s != 200 {
		t.Fatalf("close: %d", s)
	}
	if s := w.do(officer, "POST", path, erase, nil); s != 403 {
		t.Errorf("a duty officer erases: %d", s)
	}
	var first, again struct{ Index uint64 }
	if w.do(admin, "POST", path, erase, &first) != 200 || w.do(admin, "POST", path, erase, &again) != 200 || first != again {
		t.Fatalf("%+v, %+v", first, again)
	}
	if s := opened(officer, cmd, gone); s != 404 {
		t.Errorf("who reported is opened at the core after the erasure: %d", s)
	}
	var state struct {
		Items []struct {
			Incident string
			Complete *string
			Holders  []struct {
				Name string
				At   *string
			}
		}
	}
	defer func() {
		if t.Failed() {
			t.Logf("%s", w.read(admin, "GET", cmd+"/api/v1/erasures", nil))
		}
	}()
	w.wait("the erasure is complete", func() bool {
		return w.do(admin, "GET", cmd+"/api/v1/erasures", nil, &state) == 200 && len(state.Items) == 1 && state.Items[0].Complete != nil
	})
	if x := state.Items[0]; x.Incident != gone || len(x.Holders) != 4 {
		t.Errorf("%+v", x)
	}
	for _, at := range []struct {
		c    *http.Client
		base string
	}{{officer, cmd}, {desk, ward}} {
		var in struct {
			Erased  *struct{ Reason string }
			Reports []struct {
				Sealed     any
				Unreadable bool
			}
		}
		if w.do(at.c, "GET", at.base+"/api/v1/incidents/"+gone, nil, &in) != 200 || in.Erased == nil || len(in.Reports) != 1 || in.Reports[0].Sealed != nil || !in.Reports[0].Unreadable {
			t.Errorf("%s: %+v", at.base, in)
		}
		if s := opened(at.c, at.base, gone); s != 404 {
			t.Errorf("%s opens who reported: %d", at.base, s)
		}
		if s := opened(at.c, at.base, stays); s != 200 {
			t.Errorf("%s does not open the other report any more: %d", at.base, s)
		}
		if s := w.do(at.c, "POST", at.base+"/api/v1/incidents/"+gone+"/actions", fmt.Appendf(nil, `{"id":%q,"action":"note","text":"gọi lại"}`, newID()), nil); s != 409 {
			t.Errorf("%s takes a note that nobody could read: %d", at.base, s)
		}
	}
	loot = openAll(t, w.dir)
	if bytes.Contains(loot, []byte("Quách Thị Bí Mật")) {
		t.Error("the disks still open what was erased")
	}
	if !bytes.Contains(loot, []byte("Lê Thị Còn Lại")) {
		t.Error("the disks do not open what was not erased")
	}
	log := w.read(w.login(cmd, "auditor"), "GET", cmd+"/api/v1/log/export", nil)
	if _, err := audit.VerifyFile(context.Background(), bytes.NewReader(log), audit.Options{}); err != nil {
		t.Errorf("the log after an erasure: %v", err)
	}
}

// openAll opens every sealed part that the files below a folder open together: with each
// file that may hold a key, each wrapped key that it unwraps, and each ciphertext of that.
func openAll(t *testing.T, dir string) []byte {
	t.Helper()
	loot := opens(t, dir)
	if loot == nil {
		t.Fatal("the search finds nothing at all: it proves nothing")
	}
	return loot
}

// opens is openAll where there may be nothing.
func opens(t *testing.T, dir string) (plain []byte) {
	t.Helper()
	var files [][]byte
	wrappers := map[string]*record.Wrapper{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // compacted away meanwhile
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if len(raw) == 32 {
			name := sealing.KeyName([32]byte(raw))
			w, err := record.NewWrapper(name, [32]byte(raw))
			if err != nil {
				return err
			}
			wrappers[string(name[:])] = w
		}
		files = append(files, raw)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[record.KeyID]record.PartKey{}
	for name, w := range wrappers {
		each(files, []byte(name), func(raw []byte, at int) {
			if at < 16 || at+68 > len(raw) {
				return
			}
			k, err := record.DecodeWrappedKey(raw[at-16 : at+68])
			if err != nil {
				return
			}
			if p, err := w.Unwrap(k); err == nil {
				keys[k.Key] = p
			}
		})
	}
	for id, key := range keys {
		each(files, id[:], func(raw []byte, at int) {
			for width := 1; width <= 3 && width <= at; width++ { // of the length before it
				size, n := binary.Uvarint(raw[at-width : at])
				if n != width || size < 32 || size > uint64(len(raw)-at) {
					continue
				}
				s := record.Sealed{Key: id, Ciphertext: raw[at+16 : at+int(size)]}
				if p, err := s.Open(key); err == nil {
					plain = append(append(plain, p...), '\n')
				}
			}
		})
	}
	return plain
}

func each(files [][]byte, what []byte, f func(raw []byte, at int)) {
	for _, raw := range files {
		for from := 0; ; {
			at := bytes.Index(raw[from:], what)
			if at < 0 {
				break
			}
			f(raw, from+at)
			from += at + 1
		}
	}
}
