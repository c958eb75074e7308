package protocols_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"wardline/hardware/panel"
	"wardline/hardware/panel/contactid"
	"wardline/hardware/panel/protocols"
)

type vectors struct {
	SurGard []struct {
		Hex, Text, Terminator, Means, Reply             string
		Receiver, Line, Account, Qualifier, Group, Zone string
		Code                                            int
	} `json:"surgard"`
	Checksum []struct{ Digits, Checksum string } `json:"contact_id_checksum"`
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	b, err := os.ReadFile("../testdata/panels.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.SurGard) == 0 || len(v.Checksum) == 0 {
		t.Fatal("the vectors are empty")
	}
	return v
}

func mustDecoder(t testing.TB, p panel.Protocol) panel.Decoder {
	t.Helper()
	pr, err := panel.Default(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := protocols.New(pr)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestVectors_SurGard_MeanWhatTheManualsSay(t *testing.T) {
	for i, v := range readVectors(t).SurGard {
		t.Run(fmt.Sprint(i, " ", v.Means), func(t *testing.T) {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if v.Text != "" {
				end, err := hex.DecodeString(v.Terminator)
				if err != nil {
					t.Fatal(err)
				}
				raw = append([]byte(v.Text), end...)
			}
			fs := mustDecoder(t, panel.SurGard).Feed(raw)
			if len(fs) != 1 || string(fs[0].Raw) != string(raw) {
				t.Fatalf("frames %+v, want one with all bytes", fs)
			}
			f := fs[0]
			if strings.Contains(v.Means, "heartbeat") {
				if f.Kind != panel.KindHeartbeat || !f.Immediate() || hex.EncodeToString(f.Reply) != v.Reply {
					t.Fatalf("got %+v, want a heartbeat answered %s at once", f, v.Reply)
				}
				return
			}
			if f.Kind != panel.KindEvent || f.Immediate() || string(f.Reply) != "\x06" || len(f.Events) != 1 {
				t.Fatalf("got %+v, want one event answered 06 after the sync", f)
			}
			e := f.Events[0]
			if e.Account != v.Account {
				t.Errorf("account %q, want %q", e.Account, v.Account)
			}
			if v.Means == "closing by user 128, group 1" {
				if e.Code != "C" || e.Zone != "128" || e.Group != "1" || panel.Classify(e).Effect != panel.EffectStatus {
					t.Errorf("got %+v", e)
				}
				return
			}
			if e.Receiver != v.Receiver || e.Line != v.Line || string(e.Qualifier) != v.Qualifier || e.Code != fmt.Sprint(v.Code) || e.Group != v.Group || e.Zone != v.Zone {
				t.Errorf("got %+v, want %+v", e, v)
			}
			if m := panel.Classify(e); m.Key != v.Means || !m.Silent || !m.Opens() {
				t.Errorf("means %+v, want silent %s", m, v.Means)
			}
		})
	}
}

func TestVectors_ContactIDChecksum_IsTheDigitThatFillsToFifteen(t *testing.T) {
	for _, v := range readVectors(t).Checksum {
		got, err := contactid.Checksum(v.Digits)
		if err != nil || string(got) != v.Checksum {
			t.Errorf("%q: %q, %v; want %q", v.Digits, got, err, v.Checksum)
		}
		e, err := contactid.Parse(strings.ReplaceAll(v.Digits, " ", "") + v.Checksum)
		if err != nil || e.Account != "1234" || e.Group != "01" || e.Zone != "015" {
			t.Errorf("%q: %+v, %v", v.Digits, e, err)
		}
	}
}

func TestNew_UnknownProtocol_NamesTheField(t *testing.T) {
	d, err := protocols.New(panel.Profile{Protocol: "dc-10"})
	if d != nil || err == nil || !strings.Contains(err.Error(), "protocol") || !strings.Contains(err.Error(), "dc-10") {
		t.Fatalf("%v, %v", d, err)
	}
	pr, _ := panel.Default(panel.SurGard)
	pr.Gap = pr.Timeout
	if d, err := protocols.New(pr); d != nil || err == nil {
		t.Fatalf("a wrong profile was taken: %v, %v", d, err)
	}
}

// feed runs one stream through a decoder, cut as the cuts say.
func feed(d panel.Decoder, stream, cuts []byte) string {
	var out []panel.Frame
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])%17+1)
		}
		out = append(out, d.Feed(stream[:n])...)
		stream = stream[n:]
	}
	return fmt.Sprintf("%+v pending %d", out, d.Pending())
}

func FuzzDecoders_ChunkingChangesNothing(f *testing.F) {
	f.Add([]byte("5011 181234E12101001\x14"), []byte{1})
	f.Add([]byte("1011           @    \x141011      0012 C1128\x14\n"), []byte{3, 7})
	f.Add([]byte("S01001[#1234|Nri01/BA0001*\"Hall\"]\x140011[#0000|NRT00]\x14"), []byte{2, 9})
	f.Add([]byte("noise5011 181234E12101001\x14noise5011 181234E12101001\x14noise5011 181234E12101001\x14"), []byte{4})
	f.Add([]byte("PANIC b-1 17\r\nPING\nPANIC b-1\nnonsense\n\x80\n"), []byte{5})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		for _, p := range []panel.Protocol{panel.SurGard, panel.Button} {
			whole := feed(mustDecoder(t, p), stream, nil)
			if cut := feed(mustDecoder(t, p), stream, cuts); cut != whole {
				t.Fatalf("%s: cut  %s\nwhole %s", p, cut, whole)
			}
			d := mustDecoder(t, p)
			for _, fr := range d.Feed(stream) {
				check(t, fr)
			}
			if d.Pending() > 512 {
				t.Fatalf("%s holds %d bytes", p, d.Pending())
			}
			for _, fr := range d.Idle() {
				check(t, fr)
			}
			if d.Pending() != 0 {
				t.Fatalf("%s holds %d bytes after the gap", p, d.Pending())
			}
		}
	})
}

// check is what holds for every frame of every protocol.
func check(t *testing.T, f panel.Frame) {
	t.Helper()
	switch f.Kind {
	case panel.KindEvent, panel.KindUnfit:
		if len(f.ResendKey) == 0 || f.Immediate() || len(f.Reply) == 0 || f.Reply[0] == 0x15 {
			t.Fatalf("an entry without key or with a wrong answer: %+v", f)
		}
	case panel.KindHeartbeat, panel.KindDamage:
		if f.ResendKey != nil || !f.Immediate() || len(f.Events) != 0 {
			t.Fatalf("an entry made of %+v", f)
		}
	default:
		t.Fatalf("kind %v", f.Kind)
	}
	if (f.Kind == panel.KindEvent) != (len(f.Events) > 0) || len(f.Raw) == 0 {
		t.Fatalf("%+v", f)
	}
	for _, e := range f.Events {
		if m := panel.Classify(e); m.Effect == 0 || m.Opens() && m.Category == "" || e.Account == "" {
			t.Fatalf("%+v means %+v", e, m)
		}
	}
}
