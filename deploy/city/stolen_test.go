package city

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCity_StolenDisks_OpenNothing: a thief has all that stands on the disks of the nodes
// and of the station, but not their keys: no name is there, neither of a report nor in
// malformed input that is kept raw, and nothing that is there opens one. With another key a
// station says what is wrong.
func TestCity_StolenDisks_OpenNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	w := newTown(t)
	w.encrypt = true
	w.start()
	cmd, ward := w.file.Command.URL, w.file.Stations[0].URL
	var ids []string
	for i := range 6 {
		id, at := newID(), []string{cmd, ward}[i%2]
		w.wait("a report is taken", func() bool {
			s := w.do(http.DefaultClient, "POST", at+"/api/v1/reports", fmt.Appendf(nil, `{"id":%q,"category":"fire","text":"nhà Lê Văn Được Kể","location":{"lat":10.72,"lon":106.73,"accuracy_m":20},"reporter":{"name":"Quách Thị Bí Mật","phone":"0987654321"}}`, id), nil)
			return s == 200 || s == 201
		})
		ids = append(ids, id)
	}
	for _, at := range []string{cmd, ward} {
		if s := w.do(http.DefaultClient, "POST", at+"/api/v1/reports", []byte(`{"id":"Quách Thị Bí Mật","category":"fire","reporter":{"phone":"0987654321"}}`), nil); s != 400 {
			t.Fatalf("malformed input: %d", s)
		}
	}
	w.once(ids)
	planted := [][]byte{[]byte("Quách Thị Bí Mật"), []byte("0987654321"), []byte("Lê Văn Được Kể")}
	files := 0
	for _, disk := range []string{"core-1", "core-2", "core-3", "ward-" + string(Ward)} {
		err := filepath.WalkDir(filepath.Join(w.dir, disk), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // compacted away meanwhile
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			files++
			for _, p := range planted {
				if at := bytes.Index(raw, p); at >= 0 {
					t.Errorf("%s, at byte %d: %q", path, at, p)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if loot := opens(t, filepath.Join(w.dir, disk)); len(loot) > 0 {
			t.Errorf("the disk of %s opens %d bytes of sealed parts", disk, len(loot))
		}
	}
	if files < 20 {
		t.Errorf("%d files were searched", files)
	}
	name := "ward-" + string(Ward)
	w.stop(name)
	key := filepath.Join(w.dir, diskKeys, name+".key")
	right, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	w.control("start", map[string][]string{"name": {name}})
	w.wait("the station says that the key is another one", func() bool {
		raw, err := os.ReadFile(filepath.Join(w.dir, name+".log"))
		return err == nil && strings.Contains(string(raw), "disk_key_before if the key is to change")
	})
	if err := os.WriteFile(key, right, 0o600); err != nil {
		t.Fatal(err)
	}
	w.wait("with the right key the station works again", func() bool {
		id := newID()
		s := w.do(http.DefaultClient, "POST", ward+"/api/v1/reports", fmt.Appendf(nil, `{"id":%q,"category":"fire","text":"cháy"}`, id), nil)
		return s == 200 || s == 201
	})
}
