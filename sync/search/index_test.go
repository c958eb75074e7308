package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"wardline/sync/record"
)

func same(t *testing.T, what string, got []record.ID, want ...record.ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: found %v, want %v", what, got, want)
	}
}

func TestSearch_HoweverVietnameseIsTyped_TheSameIsFound(t *testing.T) {
	l := newLog()
	fire := l.report(1, said{Text: "Cháy nhà ở hẻm 12, khói đen", PlaceText: "Đường Nguyễn Trãi"})
	l.report(2, said{Text: "Mất trộm xe máy"})
	old := l.report(3, said{Text: norm.NFD.String("cháy nhà kho, đường Lê Lợi")})
	x := start(t, l, t.TempDir(), [32]byte{1})
	level(t, x, l)
	for _, q := range []string{"chay nha", "cháy nhà", "CHÁY NHÀ", norm.NFD.String("Cháy Nhà"), "chay nh", "nha chay", "  cháy,  nhà! ", "duong", "Đường", "đuong"} {
		same(t, q, find(t, x, l, Query{Text: q}), old, fire)
	}
	for _, q := range []string{"nguyen trai", "Nguyễn Trãi", "hem 12 khoi", "khoi d"} {
		same(t, q, find(t, x, l, Query{Text: q}), fire)
	}
	for _, q := range []string{"cháy xe", "nhac", "chayn", "12 13", "a"} {
		same(t, q, find(t, x, l, Query{Text: q}))
	}
	if _, err := x.Search(Query{Text: " ,.! ", Limit: 1}); !errors.Is(err, ErrNoWords) {
		t.Errorf("a question without words: %v", err)
	}
}

// TestSearch_TypedWithDiacritics_WhatHasThemComesFirst, and of the rest what has the
// words side by side, then what is newer.
func TestSearch_TypedWithDiacritics_WhatHasThemComesFirst(t *testing.T) {
	l := newLog()
	exact := l.report(1, said{Text: "có ma túy trong nhà"})
	apart := l.report(2, said{Text: "túy ý, có ma"})
	other := l.report(3, said{Text: "mã tùy chọn"})
	loose := l.report(4, said{Text: "tùy bà má"})
	x := start(t, l, t.TempDir(), [32]byte{1})
	level(t, x, l)
	same(t, "with", find(t, x, l, Query{Text: "ma túy"}), exact, apart, other, loose)
	same(t, "without", find(t, x, l, Query{Text: "ma tuy"}), other, exact, loose, apart)
	same(t, "by pages of one", find(t, x, l, Query{Text: "ma túy", Limit: 1}), exact, apart, other, loose)
}

func TestSearch_PlaceNotesIdsCodesUnitsCategories_AreFound(t *testing.T) {
	l := newLog()
	id := l.report(7, said{Text: "đánh nhau"}, "ward/26704", "PC07", record.Command)
	l.report(8, said{Text: "khác"}, "ward/26740")
	l.officer(id, record.KindNote, record.Payload{}, said{Text: "Đã gọi lại, biển số 51F-123.45"})
	l.officer(id, record.KindDispatch, record.Payload{Patrol: "Tổ 3"}, nil)
	l.officer(id, record.KindClassify, record.Payload{Category: record.Crime, Flags: record.FlagSummary}, said{Summary: "ẩu đả tại quán"})
	x := start(t, l, t.TempDir(), [32]byte{1})
	level(t, x, l)
	for _, q := range []string{"51f 123", "goi lai", "tổ 3", "au da tai quan", "hình sự", "crime", "26704", "PC07", id.String(), strings.ToUpper(id.String()[:13]), strings.ReplaceAll(id.String(), "-", "")} {
		same(t, q, find(t, x, l, Query{Text: q}), id)
	}
}

// TestIDs_CodeOfTheCitizensPage_IsItsReport: the code is one that src/citizen/code.ts made.
func TestIDs_CodeOfTheCitizensPage_IsItsReport(t *testing.T) {
	want, err := record.ParseID("018f3c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"01HWY-1WYHB-FGYRW-KTTDD-Y8V7G-F2", "oihwy1wyhbfgyrwkttddy8v7gf2", " 01hwy 1wyhb fgyrw kttdd y8v7g f2 "} {
		if s, ok := ids(code); !ok || s.from != want || s.to != want {
			t.Errorf("%q: %v %v", code, s, ok)
		}
	}
	for _, code := range []string{"01HWY-1WYHB-FGYRW-KTTDD-Y8V7G-F3", "10HWY-1WYHB-FGYRW-KTTDD-Y8V7G-F2", "01HWY-1WYHB-FGYRW-KTTDD-Y8V7G", "81HWY-1WYHB-FGYRW-KTTDD-Y8V7G-F2", "cháy nhà", "2026", ""} {
		if s, ok := ids(code); ok {
			t.Errorf("%q is taken for %v", code, s)
		}
	}
}

func TestSearch_Filters_AndScope(t *testing.T) {
	l := newLog()
	var all []record.ID
	for n := range 3000 {
		unit := record.UnitID("ward/26704")
		if n%3 == 0 {
			unit = "ward/26740"
		}
		all = append(all, l.report(n, said{Text: "xe hỏng"}, unit, record.Command))
	}
	l.officer(all[10], record.KindClassify, record.Payload{Category: record.Fire, Priority: 1}, nil)
	l.officer(all[10], record.KindClose, record.Payload{Reason: "false:prank"}, nil)
	x := start(t, l, t.TempDir(), [32]byte{1})
	level(t, x, l)
	if got := find(t, x, l, Query{Text: "xe hong", Scope: "ward/26740", Limit: 77}); len(got) != 1000 || got[0] != all[2997] || got[999] != all[0] {
		t.Errorf("%d in scope", len(got))
	}
	same(t, "both units", find(t, x, l, Query{Text: "xe", Scope: "ward/26740", Unit: "ward/26704"}))
	same(t, "category", find(t, x, l, Query{Text: "xe", Category: record.Fire}), all[10])
	same(t, "priority", find(t, x, l, Query{Text: "xe", Priority: 1}), all[10])
	same(t, "closed", find(t, x, l, Query{Text: "xe", Status: "closed"}), all[10])
	if got := find(t, x, l, Query{Text: "xe", Status: "open"}); len(got) != 2999 {
		t.Errorf("%d open", len(got))
	}
	same(t, "time", find(t, x, l, Query{Text: "xe", From: 2000_000, To: 2003_000}), all[2002], all[2001], all[2000])
	if got := find(t, x, l, Query{Text: "xe", From: 1000_000}); len(got) != 2000 {
		t.Errorf("%d since", len(got))
	}
	if _, err := x.Search(Query{Text: "xe", Limit: 1, Cursor: []byte("nonsense!")}); !errors.Is(err, ErrCursor) {
		t.Errorf("nonsense as a cursor: %v", err)
	}
}

// TestSearch_WhatIsRedactedWithdrawnOrErased_IsNotFound, and who reported never is.
func TestSearch_WhatIsRedactedWithdrawnOrErased_IsNotFound(t *testing.T) {
	l := newLog()
	id := l.report(1, said{Text: "gặp cướp", Reporter: map[string]string{"name": "Quỳnh", "phone": "0901234567"}})
	bad := l.officer(id, record.KindNote, record.Payload{}, said{Text: "nghi phạm Tuấn"})
	gone := l.officer(id, record.KindNote, record.Payload{}, said{Text: "ghi nhầm"})
	x := start(t, l, t.TempDir(), [32]byte{1})
	level(t, x, l)
	same(t, "reporter", find(t, x, l, Query{Text: "quynh"}))
	same(t, "phone", find(t, x, l, Query{Text: "0901234567"}))
	same(t, "note", find(t, x, l, Query{Text: "tuan"}), id)
	l.officer(id, record.KindRedact, record.Payload{Target: bad, Reason: "privacy"}, nil)
	l.officer(id, record.KindWithdraw, record.Payload{Target: gone}, nil)
	level(t, x, l)
	for _, q := range []string{"tuan", "nham"} {
		if p, err := x.Search(Query{Text: q, Limit: 10}); err != nil || len(p.IDs) != 0 {
			t.Errorf("%s: the index itself still has %v %v", q, p.IDs, err)
		}
	}
	same(t, "the rest", find(t, x, l, Query{Text: "cuop"}), id)
	erased := l.report(2, said{Text: "mất ví da bò"})
	l.add(record.Body{ID: record.ID{7}, Incident: erased, Kind: record.KindErasure, Origin: record.CoreOrigin, HLC: 1 << 40, Payload: record.Payload{Reason: "request"}}, nil)
	level(t, x, l) // its key is still there: a node destroys it a little later
	if p, err := x.Search(Query{Text: "vi da bo", Limit: 10}); err != nil || len(p.IDs) != 0 {
		t.Errorf("erased, and the index still has %v %v", p.IDs, err)
	}
	l.forget() // no entry says it
	same(t, "erased", find(t, x, l, Query{Text: "cuop"}))
	x.Again(id) // as the answer does that left it out
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		p, err := x.Search(Query{Text: "cuop", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.IDs) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the index keeps the words of what cannot be opened any more")
		}
	}
}

// TestIndex_Files_HoldNoWord: neither in rows nor in logs of the store.
func TestIndex_Files_HoldNoWord(t *testing.T) {
	l := newLog()
	for n := range 2000 {
		l.report(n, said{Text: fmt.Sprintf("quangngai%d khủng bố", n)})
	}
	dir := t.TempDir()
	t.Run("run", func(t *testing.T) {
		x := start(t, l, dir, [32]byte{1})
		level(t, x, l)
	})
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		if bytes.Contains(b, []byte("quangngai")) || bytes.Contains(b, []byte("khung")) {
			t.Errorf("%s holds words", filepath.Base(path))
		}
		return err
	})
	if err != nil || files < 3 {
		t.Fatal(files, err)
	}
}

// TestIndex_RestartOtherKeyOrDamage_NeverLosesAnIncident: it goes on where it was, or
// begins anew.
func TestIndex_RestartOtherKeyOrDamage_NeverLosesAnIncident(t *testing.T) {
	l := newLog()
	for n := range 1500 {
		l.report(n, said{Text: "xe"})
	}
	dir := t.TempDir()
	run := func(name string, key byte, want int, before func()) {
		t.Run(name, func(t *testing.T) {
			before()
			x := start(t, l, dir, [32]byte{key})
			level(t, x, l)
			if got := find(t, x, l, Query{Text: "xe", Limit: 200}); len(got) != want {
				t.Errorf("%d of %d", len(got), want)
			}
		})
	}
	run("first", 1, 1500, func() {})
	run("again", 1, 1501, func() { l.report(1500, said{Text: "xe"}) })
	run("another key", 2, 1501, func() {})
	run("damage", 2, 1501, func() {
		tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		if err != nil || len(tables) == 0 {
			t.Fatal(tables, err)
		}
		b, err := os.ReadFile(tables[0])
		if err != nil {
			t.Fatal(err)
		}
		for i := range min(200, len(b)) {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(tables[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

func TestIndex_KeyThatIsReplacedWhileItRuns_IsTakenAtOnceWhenSeen(t *testing.T) {
	l := newLog()
	id := l.report(1, said{Text: "xe"})
	var key atomic.Uint32
	x := New(Options{Dir: t.TempDir(), Log: l, Key: func() ([32]byte, error) { return [32]byte{byte(key.Load())}, nil }, Logger: slog.New(slog.DiscardHandler)})
	if err := x.hold(context.Background(), func() error {
		if _, err := x.step(); err != nil {
			return err
		}
		same(t, "before", find(t, x, l, Query{Text: "xe"}), id)
		key.Store(1)
		return x.sameKey([32]byte{})
	}); !errors.Is(err, errKey) {
		t.Fatalf("%v", err)
	}
}

// TestIndex_LogThatComesAgain_IsWaitedFor: a power cut takes more of a core node's state
// than of its index.
func TestIndex_LogThatComesAgain_IsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	log := func(n int) *logbook {
		l := newLog()
		for i := range n {
			l.report(i, said{Text: "xe"})
		}
		return l
	}
	open := func(l *logbook, f func(*Index) error) {
		t.Helper()
		x := New(Options{Dir: dir, Log: l, Again: true, Key: func() ([32]byte, error) { return [32]byte{}, nil }, Logger: slog.New(slog.DiscardHandler)})
		if err := x.hold(context.Background(), func() error { return f(x) }); err != nil {
			t.Fatal(err)
		}
	}
	open(log(30), func(x *Index) error { _, err := x.step(); return err })
	l := log(20)
	open(l, func(x *Index) error {
		if n, err := x.step(); n != 0 || err != nil || x.State().Position != 30 {
			t.Errorf("%d, %v: %+v", n, err, x.State())
		}
		for i := 20; i < 40; i++ {
			l.report(i, said{Text: "xe"})
		}
		if n, err := x.step(); n != 10 || err != nil {
			t.Errorf("%d of the 10 that are new, %v", n, err)
		}
		if got := find(t, x, l, Query{Text: "xe"}); len(got) != 40 {
			t.Errorf("%d of 40", len(got))
		}
		return nil
	})
}

func TestIndex_Flood_LeavesTheProcessorToReports(t *testing.T) {
	for _, c := range []struct {
		entries uint64
		in      time.Duration
		want    time.Duration
	}{{0, time.Second, rest}, {400, time.Second, rest}, {600, time.Second, restFlood}, {100, 100 * time.Millisecond, restFlood}} {
		if got := share(c.entries, c.in); got != c.want {
			t.Errorf("%d entries in %v: it rests %d times as long as it worked, want %d", c.entries, c.in, got, c.want)
		}
	}
}

// TestIndex_NoRoom_WritesNothing: a full disk kills who maps files on it.
func TestIndex_NoRoom_WritesNothing(t *testing.T) {
	l := newLog()
	l.report(1, said{Text: "xe"})
	dir := filepath.Join(t.TempDir(), "search")
	asked := make(chan struct{}, 100)
	x := New(Options{Dir: dir, Log: l, Key: func() ([32]byte, error) { return [32]byte{}, nil }, Room: func() bool { asked <- struct{}{}; return false }, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	<-asked
	if s := x.State(); s.Word != "closed" {
		t.Errorf("%+v", s)
	}
	if _, err := x.Search(Query{Text: "xe", Limit: 1}); !errors.Is(err, ErrNotReady) {
		t.Errorf("asked: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a folder: %v", err)
	}
}

// TestSearch_WhateverIsSaid_IsWhatReadingAllWouldFind, in whatever portions it came.
func TestSearch_WhateverIsSaid_IsWhatReadingAllWouldFind(t *testing.T) {
	vocabulary := []string{"cháy", "chay", "nhà", "nhả", "đường", "duong", "xe", "xế", "12", "a"}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := newLog()
		x := New(Options{Dir: t.TempDir(), Log: l, Key: func() ([32]byte, error) { return [32]byte{3}, nil }, Logger: slog.New(slog.DiscardHandler)})
		text := func() string {
			var w []string
			for range 1 + r.IntN(4) {
				w = append(w, vocabulary[r.IntN(len(vocabulary))])
			}
			return strings.Join(w, " ")
		}
		known := 0
		for range 1 + r.IntN(12) {
			if known == 0 || r.IntN(2) == 0 {
				l.report(known, said{Text: text()})
				known++
			} else {
				l.officer(incident(r.IntN(known)), record.KindNote, record.Payload{}, said{Text: text()})
			}
		}
		if err := x.hold(context.Background(), func() error {
			for x.at.Load() < l.Position() {
				at := min(x.at.Load()+1+r.Uint64N(4), l.Position())
				if err := x.take(touched(l.rows[x.at.Load():at]), at); err != nil {
					return err
				}
			}
			for range 10 {
				q := Query{Text: text(), Limit: 1 + r.IntN(3)}
				got := find(t, x, l, q)
				var want []record.ID
				for n := range known {
					entries, err := l.Entries(incident(n))
					if err != nil {
						return err
					}
					var bodies []record.Body
					for _, e := range entries {
						bodies = append(bodies, e.Body)
					}
					if _, ok := q.Match(incident(n), Fields(record.Fold(incident(n), bodies), entries, l.Open)); ok {
						want = append(want, incident(n))
					}
				}
				slices.SortFunc(got, func(a, b record.ID) int { return bytes.Compare(a[:], b[:]) })
				slices.SortFunc(want, func(a, b record.ID) int { return bytes.Compare(a[:], b[:]) })
				if !slices.Equal(got, want) {
					t.Errorf("seed %d, %q: found %v, reading all finds %v", seed, q.Text, got, want)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMatch_Snippet_MarksWhatWasFound(t *testing.T) {
	q := Query{Text: "chay nh"}
	long := strings.Repeat("bình thường ", 60)
	got, ok := q.Match(record.ID{}, []Field{{"text", long + "có Cháy Nhà lớn " + long}, {"place", "nhà thờ"}})
	if !ok || len(got) != 1 {
		t.Fatalf("%v %+v", ok, got)
	}
	var hits []string
	all := ""
	for _, p := range got[0].Parts {
		all += p.Text
		if p.Hit {
			hits = append(hits, p.Text)
		}
	}
	if !slices.Equal(hits, []string{"Cháy", "Nhà"}) || len(all) > 3*snippetBytes || !strings.HasPrefix(all, "… ") || !strings.HasSuffix(all, " …") {
		t.Errorf("%q %q", hits, all)
	}
}
