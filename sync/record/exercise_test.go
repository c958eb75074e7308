package record

import "testing"

// arrived is a report's arrival at an origin, of an exercise if it names one.
func arrived(origin Origin, exercise ID) Body {
	b := Body{ID: DerivedID("report", []byte(origin)), Incident: ID{1}, Kind: KindReport, Origin: origin, HLC: HLCAt(1000), ReceivedAt: 1000,
		Actor: Actor{Kind: ByDevice, Name: "app-1"}, Payload: Payload{Report: ID{1}, Category: Fire}}
	if !exercise.Zero() {
		b.Payload.Flags, b.Payload.Target = FlagExercise, exercise
	}
	return b
}

// TestFold_Exercise_InDoubtIsReal: practice is what every arrival says and no officer
// denies; nothing that comes later can make a real report practice.
func TestFold_Exercise_InDoubtIsReal(t *testing.T) {
	drill, other := ID{9}, ID{8}
	marked, plain := arrived("ward-26704", drill), arrived(CoreOrigin, ID{})
	elsewhere := arrived(CoreOrigin, other)
	real := Body{ID: ID{2}, Incident: ID{1}, Kind: KindReal, Origin: CoreOrigin, HLC: HLCAt(2000), Deps: []ID{marked.ID}, Actor: Actor{Kind: ByOfficer, Name: "lan", Unit: Command}}
	back := Body{ID: ID{3}, Incident: ID{1}, Kind: KindWithdraw, Origin: CoreOrigin, HLC: HLCAt(3000), Deps: []ID{real.ID}, Actor: real.Actor, Payload: Payload{Target: real.ID}}
	forged := Body{ID: ID{4}, Incident: ID{1}, Kind: KindClassify, Origin: CoreOrigin, HLC: HLCAt(4000), Deps: []ID{plain.ID}, Actor: real.Actor, Payload: Payload{Category: Fire, Flags: FlagExercise, Target: drill}}
	stub := Body{ID: ID{5}, Incident: ID{1}, Kind: KindRouted, Origin: CoreOrigin, HLC: HLCAt(1001), Deps: []ID{marked.ID}, Payload: Payload{Report: ID{1}, Flags: FlagExercise, Target: drill}}
	for name, c := range map[string]struct {
		bodies   []Body
		practice bool
	}{
		"marked":                                 {[]Body{marked}, true},
		"its routing came first":                 {[]Body{stub}, true},
		"and then the report without a mark":     {[]Body{stub, plain}, false},
		"one door did not take the mark":         {[]Body{marked, plain}, false},
		"two doors heard of two exercises":       {[]Body{marked, elsewhere}, false},
		"an officer says that it is real":        {[]Body{marked, real}, false},
		"that cannot be taken back":              {[]Body{marked, real, back}, false},
		"an officer's entry marks nothing":       {[]Body{plain, forged}, false},
		"not even one that is practice already ": {[]Body{marked, forged}, true},
	} {
		for _, order := range [][]Body{c.bodies, reversed(c.bodies)} {
			in := Fold(ID{1}, order)
			if (in.Exercise != nil) != c.practice || c.practice && *in.Exercise != drill {
				t.Errorf("%s: %v", name, in.Exercise)
			}
		}
	}
	in := Fold(ID{1}, []Body{marked})
	if err := in.Check(&real); err != nil {
		t.Errorf("saying that it is real: %v", err)
	}
	if in = Fold(ID{1}, []Body{marked, real}); in.MadeReal == nil || in.MadeReal.Name != "lan" {
		t.Errorf("who said so: %+v", in.MadeReal)
	}
	if err := in.Check(&real); err == nil {
		t.Error("what is real was made real again")
	}
}

func reversed(in []Body) (out []Body) {
	for i := len(in) - 1; i >= 0; i-- {
		out = append(out, in[i])
	}
	return out
}
