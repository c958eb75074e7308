package figures

import (
	"strings"
	"testing"
	"time"
)

func TestOf_MedianAndSpread(t *testing.T) {
	if v := Of(3, 1, 2); v.Median != 2 || v.Least != 1 || v.Most != 3 {
		t.Fatalf("%+v", v)
	}
	if v := Of(4, 1); v.Median != 2.5 {
		t.Fatalf("%+v", v)
	}
	if got := Of(1234567, 12.34, 1.2).String(); got != "12.3 (1.20–1,234,567)" {
		t.Fatal(got)
	}
}

func TestPercentile_NearestRank(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Millisecond)
	}
	for p, want := range map[float64]float64{50: 50, 99: 99, 100: 100} {
		if got := Percentile(times, p); got != want {
			t.Errorf("p%v is %v, want %v", p, got, want)
		}
	}
}

func TestMarkdown_MissingFigure_SaysWhy(t *testing.T) {
	r := Report{Machine: Machine{CPU: "x", Cores: 2}, Rows: []Row{
		{Measure: "a", Unit: "1/s", Ours: Of(30), Peer: "p", Theirs: Of(20)},
		{Measure: "b", Unit: "1/s", Peer: "p", Theirs: Of(20), Note: "not there"},
	}}
	var b strings.Builder
	if err := r.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| a | 1/s | 30.0 | p | 20.0 | 1.50 × |", "| b | 1/s | — | p | 20.0 | — | not there |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
