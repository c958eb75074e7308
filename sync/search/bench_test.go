package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wardline/sync/record"
)

// benchIncidents is the figure that is asked for: search over 100,000 incidents.
const benchIncidents = 100_000

var (
	whats   = strings.Fields("cháy nhà khói đen nổ bình gas mất trộm xe máy cướp giật điện thoại đánh nhau gây rối trật tự tai nạn giao thông chảy máu ngất xỉu đột quỵ trẻ lạc người già té ngã kẹt thang máy cây đổ dây điện rơi nước tràn đường hầm ma túy cờ bạc karaoke ồn ào lấn chiếm vỉa hè rác thải khả nghi lảng vảng")
	streets = []string{"Nguyễn Trãi", "Lê Lợi", "Trần Hưng Đạo", "Điện Biên Phủ", "Cách Mạng Tháng Tám", "Võ Văn Kiệt", "Phạm Ngũ Lão", "Hai Bà Trưng", "Lý Thường Kiệt", "Nguyễn Đình Chiểu", "Xô Viết Nghệ Tĩnh", "Huỳnh Tấn Phát"}
)

// story is what one report says: 6 to 24 words and an address.
func story(r *rand.Rand) said {
	var w []string
	for range 6 + r.IntN(19) {
		w = append(w, whats[r.IntN(len(whats))])
	}
	return said{Text: strings.Join(w, " "), PlaceText: fmt.Sprintf("%d/%d đường %s, quận %d", 1+r.IntN(900), 1+r.IntN(60), streets[r.IntN(len(streets))], 1+r.IntN(12))}
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSearch asks as a desk does: the first page of 20, each read anew and held to
// the question. p99-ms is of one question.
func BenchmarkSearch(b *testing.B) {
	l := newLog()
	r := rand.New(rand.NewPCG(1, 2))
	for n := range benchIncidents {
		l.report(n, story(r), record.UnitID(fmt.Sprintf("ward/%05d", 26700+n%168)), "PC07", record.Command)
	}
	x := start(b, l, b.TempDir(), [32]byte{1})
	began, cpu := time.Now(), processor()
	level(b, x, l)
	b.Logf("%d incidents taken in within %.1f s, %.1f s of processor time", benchIncidents, time.Since(began).Seconds(), (processor() - cpu).Seconds())
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"words=common", Query{Text: "cháy nhà"}}, {"words=plain", Query{Text: "chay nha"}}, {"words=address", Query{Text: "12/3 đường nguyễn trãi"}},
		{"words=letter", Query{Text: "cháy n"}}, {"words=none", Query{Text: "chay khongco"}}, {"words=long", Query{Text: "tai nạn giao thông chảy máu đường điện biên phủ"}},
		{"words=common/scope=ward", Query{Text: "chay nha", Scope: "ward/26704"}},
		{"words=common/time=day", Query{Text: "chay nha", From: 50_000_000, To: 51_000_000}},
		{"words=id", Query{Text: incident(77_777).String()}},
	} {
		b.Run(fmt.Sprintf("incidents=%d/%s", benchIncidents, c.name), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				at := time.Now()
				q := c.q
				q.Limit = 20
				p, err := x.Search(q)
				if err != nil {
					b.Fatal(err)
				}
				for _, id := range p.IDs {
					entries, err := l.Entries(id)
					if err != nil {
						b.Fatal(err)
					}
					bodies := make([]record.Body, len(entries))
					for i := range entries {
						bodies[i] = entries[i].Body
					}
					q.Match(id, Fields(record.Fold(id, bodies), entries, l.Open))
				}
				took = append(took, time.Since(at))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
