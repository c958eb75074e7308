// Package reports makes the reports that are sent in measurements: valid, of
// 512 bytes, from all over the city, each with an id of its own.
package reports

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mrand "math/rand/v2"
	"strings"

	"wardline/deploy/bench/mqttload"
)

// Size of a report's JSON, in bytes.
const Size = 512

// Spread of the places around the city's middle, in degrees: about 33 km.
// Reports of one kind nearer than 150 m to each other would be suggested as
// duplicates, which no flood of real ones is.
const (
	lat, lon = 10.7769, 106.7009
	spread   = 0.15
)

const words = "Có nhóm người tụ tập gây ồn, đề nghị công an phường kiểm tra. "

// Set is the reports of one sender.
type Set struct {
	prefix   string // of the ids, all but the last 12 digits
	Messages []mqttload.Message
}

// New makes n reports with the ids 0 to n-1 of a fresh sender. The categories
// are used in turn.
func New(n int, seed uint64, categories ...string) *Set {
	var b [10]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	h := hex.EncodeToString(b[:])
	s := &Set{prefix: fmt.Sprintf("%s-%s-4%s-8%s-", h[:8], h[8:12], h[13:16], h[17:20])}
	r := mrand.New(mrand.NewPCG(seed, 1))
	for i := range n {
		s.Messages = append(s.Messages, s.message(uint64(i), r, categories[i%len(categories)]))
	}
	return s
}

// ID is the id of the report with a number.
func (s *Set) ID(number uint64) string { return fmt.Sprintf("%s%012x", s.prefix, number) }

func (s *Set) message(number uint64, r *mrand.Rand, category string) mqttload.Message {
	off := func() float64 { return (2*r.Float64() - 1) * spread }
	head := `{"id":"` + s.ID(number)
	p := fmt.Sprintf(`%s","category":"%s","location":{"lat":%.6f,"lon":%.6f,"accuracy_m":%d},"reporter":{"name":"Nguyễn Văn An","phone":"0901%06d"},"text":"`,
		head, category, lat+off(), lon+off(), 10+r.IntN(40), r.IntN(1_000_000))
	room := Size - len(p) - len(`"}`)
	text := strings.Repeat(words, room/len(words)) + strings.Repeat(".", room%len(words))
	return mqttload.Message{Payload: []byte(p + text + `"}`), NumberAt: len(head) - 12}
}
