package configs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type part struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password"`
	Size     int    `yaml:"size"`
}

type sample struct {
	Name  string   `yaml:"name"`
	Port  int      `yaml:"port"`
	On    bool     `yaml:"on"`
	Big   int64    `yaml:"big"`
	Words []string `yaml:"words"`
	Parts []part   `yaml:"parts"`
	File  string   `yaml:"file"`
	Skip  func()   `yaml:"-"`
}

func (s *sample) Validate() error {
	var f Faults
	if s.Port == 0 {
		f.Add("port", "write 1 or more", "is %d", s.Port)
	}
	for i, p := range s.Parts {
		var of Faults
		of.Empty("name", p.Name, "name it")
		if len(p.Password) < 8 {
			of.Add("password", "use a longer one", "has %d characters", len(p.Password))
		}
		f.Under(fmt.Sprintf("parts[%d]", i), of.Err())
	}
	return f.Err()
}

func (s *sample) Load() error {
	if s.File == "" {
		return nil
	}
	_, err := os.ReadFile(s.File)
	if err != nil {
		return &Fault{"file", err.Error(), "make it"}
	}
	return nil
}

func TestDecode_EveryFault_IsSaidWithFileLineFieldAndWhatToDo(t *testing.T) {
	const raw = `name: a
prot: 1
port: 0
on: perhaps
big: 9223372036854775808
words: [a, {b: c}]
words: []
parts:
  - name: x
    password: short
    colour: red
  - size: big
    password: long enough
`
	err := Decode("x.yaml", []byte(raw), &sample{})
	want := `x.yaml:2: prot: is no key of this section (write port, or take it out)
x.yaml:3: port: is 0 (write 1 or more)
x.yaml:4: on: is text (write true or false)
x.yaml:5: big: is no number that fits (write a smaller one, in plain digits)
x.yaml:6: words[1]: is a section of keys (write text)
x.yaml:7: words: stands in line 6 already (keep one of them)
x.yaml:10: parts[0].password: has 5 characters (use a longer one)
x.yaml:11: parts[0].colour: is no key of this section (take it out; the keys are name, password, size)
x.yaml:12: parts[1].size: is text (write a whole number)
x.yaml:12: parts[1].name: is missing (name it)`
	if err == nil || err.Error() != want {
		t.Fatalf("said:\n%v\nwanted:\n%v", err, want)
	}
}

func TestDecode_Json_IsReadWithItsLines(t *testing.T) {
	var s sample
	if err := Decode("x.json", []byte("{\n \"name\": \"a\",\n \"port\": 7,\n \"words\": [\"x\", \"y\"],\n \"parts\": [{\"name\": \"p\", \"password\": \"12345678\"}]\n}\n"), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != "a" || s.Port != 7 || len(s.Words) != 2 || s.Parts[0].Password != "12345678" {
		t.Fatalf("%+v", s)
	}
	err := Decode("x.json", []byte("{\n \"name\": \"a\",\n \"parts\": [\n  {\"name\": \"p\",\n   \"password\": \"1\"}\n ]\n}\n"), &sample{})
	if err == nil || !strings.Contains(err.Error(), "x.json:5: parts[0].password") || !strings.Contains(err.Error(), "x.json:1: port") {
		t.Fatal(err)
	}
}

func TestDecode_DigitsForAText_KeepTheirZeros(t *testing.T) {
	for _, raw := range []string{"name: 00123\nport: 1\n", "name: \"00123\"\nport: 1\n", "name: '00123'\nport: 1\n"} {
		var s sample
		if err := Decode("x.yaml", []byte(raw), &s); err != nil || s.Name != "00123" {
			t.Errorf("%q: %q %v", raw, s.Name, err)
		}
	}
	var s sample
	if err := Decode("x.yaml", []byte("port: 1\nname: |\n  a\n  b\nwords:\n- c\n"), &s); err != nil || s.Name != "a\nb\n" || len(s.Words) != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

// Passwords stand in these files and errors end in journals.
func TestDecode_AnythingWrong_NeverRepeatsASecret(t *testing.T) {
	const secret = "planted-Secret"
	for _, raw := range []string{
		"port: 1\nparts:\n  - name: a\n    password: " + secret + "\n   size: 1\n",           // indentation
		"port: 1\nparts:\n  - name: a\n    password: \"" + secret + "\n",                     // no end
		"port: 1\nparts:\n  - name: a\n    password: " + secret + ": b\n",                    // a colon in it
		"port: 1\nparts:\n  - name: a\n    password: !" + secret + "\n",                      // a tag
		"port: 1\nparts:\n  - name: a\n    password: !!" + secret + " x\n",                   // a tag
		"port: 1\nparts:\n  - name: a\n    password: *" + secret + "\n",                      // an alias
		"port: 1\nparts:\n  - name: a\n    password: &" + secret + "\n",                      // an anchor
		"port: 1\nparts:\n  - name: a\n    password: [" + secret + "]\n",                     // a list
		"port: 1\nparts:\n  - name: a\n    password: {" + secret + ": 1}\n",                  // a section
		"port: 1\nparts:\n  - name: a\n    password: %" + secret + "\n",                      // a reserved character
		"port: 1\nparts:\n  - name: a\n    password: @" + secret + "\n",                      // another
		"port: 1\nparts:\n  - name: a\n    password: `" + secret + "\n",                      // another
		"port: 1\nparts:\n  - name: a\n    password: \"\\q" + secret + "\"\n",                // an escape
		"port: 1\nparts:\n  - name: a\n    password: " + secret + "\n    password: b\n",      // twice
		"port: x\nparts:\n  - name: a\n    password: " + secret + "\n    size: nine\n",       // near a fault
		"port: x\nparts:\n  - name: a\n    password:\n      " + secret + "\n  -\n  - name\n", // a list of all sorts
		"%" + secret + "\nport: 1\n",
		"{\"port\": 1, \"parts\": [{\"name\": \"a\", \"password\": \"" + secret + "\"]}",
		"{\"port\": 1, \"parts\": [{\"name\": \"a\", \"password\": \"" + secret + "\", \"size\": {}}]}",
	} {
		var s sample
		err := Decode("x.yaml", []byte(raw), &s)
		if err == nil {
			if strings.Contains(fmt.Sprint(s.Parts), secret) {
				continue // it is a password, then
			}
			t.Errorf("%q: taken", raw)
			continue
		}
		if strings.Contains(err.Error(), "Secret") {
			t.Errorf("%q\nis answered with\n%v", raw, err)
		}
		if !strings.HasPrefix(err.Error(), "x.yaml:") {
			t.Errorf("%q: no file in %v", raw, err)
		}
	}
}

func TestDecode_NotYaml_NamesTheLine(t *testing.T) {
	for raw, want := range map[string]string{
		"port: 1\nname: [\n":             "x.yaml:2: no YAML",
		"port: 1\n---\nport: 2\n":        "x.yaml:3: a second document",
		"port: 1\nname: &a b\n":          "x.yaml:2: name: anchors",
		"- port\n":                       "x.yaml:1: is a list (write a section of keys)",
		"":                               "x.yaml:1: port: is 0",
		"# nothing\n":                    "x.yaml:1: port: is 0",
		"port: 1\nname: CHANGE-ME\n":     "x.yaml:2: name: stands as in the sample, CHANGE-ME (fill it in)",
		"port: 1.5\n":                    "x.yaml:1: port: is something that is not read here (write a whole number)",
		"port: 1\n<<: {name: a}\n":       "x.yaml:2: <<: is no key",
		strings.Repeat("#", maxFile+1):   "the file has",
		"port: 1\nfile: /nonexistent/x1": "x.yaml:2: file: open /nonexistent/x1",
	} {
		err := Decode("x.yaml", []byte(raw), &sample{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, wanted %s", raw, err, want)
		}
	}
}

// The parser's work grows with the square of the depth.
func TestDecode_NestedWithoutEnd_IsRefusedAtOnce(t *testing.T) {
	for _, x := range []string{"[", "{a: ", "- ", "[]\n[", "a:\n "} {
		raw := "port: 1\n" + strings.Repeat(x, maxFile/2/len(x))
		if x == "a:\n " {
			raw = "port: 1\n" + strings.Repeat(" ", maxIndent+1) + "a: b\n"
		}
		if err := Decode("x.yaml", []byte(raw), &sample{}); err == nil || !strings.Contains(err.Error(), ": is nested too deep") {
			t.Errorf("%q: %.100v", x, err)
		}
	}
}

// The parser's work grows with the square of a section's keys.
func TestDecode_KeysWithoutEnd_AreRefusedAtOnce(t *testing.T) {
	for _, x := range []string{"k%d: 1\n", "parts:\n  - k%d: 1\n    ", "{", "{\n"} {
		var b strings.Builder
		head, each, sep := "port: 1\n", x, ""
		switch {
		case strings.HasPrefix(x, "parts"):
			head, each = "port: 1\nparts:\n  - a: 1\n", "    k%d: 1\n"
		case strings.HasPrefix(x, "{"):
			head, each, sep = x, "\"k%d\": 1", ","+x[1:]
		}
		b.WriteString(head)
		for i := range 50_000 {
			fmt.Fprintf(&b, each+sep, i)
		}
		if err := Decode("x.yaml", []byte(b.String()), &sample{}); err == nil || !strings.Contains(err.Error(), "key number 1001 of one section") {
			t.Errorf("%q: %.100v", x, err)
		}
	}
	// Much of what stands in lists is fine, in each form.
	for _, raw := range []string{
		"port: 1\nparts:\n" + strings.Repeat("  - name: a\n    password: long enough\n    size: 1\n", 5000),
		"port: 1\nparts:\n" + strings.Repeat("- name: a\n  password: long enough\n", 5000),
		`{"port":1,"parts":[` + strings.Repeat(`{"name":"a","password":"long enough"},`, 5000) + `]}`,
		"{\n  \"port\": 1,\n  \"parts\": [\n" + strings.Repeat("    {\n      \"name\": \"a\",\n      \"password\": \"long enough\"\n    },\n", 4000) + "  ]\n}",
	} {
		if err := Decode("x.yaml", []byte(raw), &sample{}); err != nil {
			t.Errorf("%.60q: %.200v", raw, err)
		}
	}
}

func TestDecode_ManyFaults_AreBounded(t *testing.T) {
	err := Decode("x.yaml", []byte("port: 1\nparts:\n"+strings.Repeat("- {}\n", 5000)), &sample{})
	var e *Error
	if !errors.As(err, &e) || len(e.Lines) != maxFaults || !strings.HasSuffix(err.Error(), "x.yaml: 9950 more") {
		t.Fatal(err)
	}
}

func TestRead_MissingFile_IsNamed(t *testing.T) {
	if err := Read(filepath.Join(t.TempDir(), "none.yaml"), &sample{}); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Fatal(err)
	}
}

func TestAddress_IsHeldToWhatItIsFor(t *testing.T) {
	for _, c := range []struct {
		v    string
		port Port
		want string
	}{
		{"127.0.0.1:0", AnyPort, ""}, {":8801", AnyPort, ""}, {"[::]:1", FixedPort, ""}, {"core-1:7000", Reachable, ""},
		{"", AnyPort, "is missing"}, {"127.0.0.1", AnyPort, "is no address"}, {"127.0.0.1:http", AnyPort, "no port"}, {"127.0.0.1:70000", AnyPort, "no port"},
		{"127.0.0.1:0", Reachable, "port 0"}, {"127.0.0.1:0", FixedPort, "port 0"}, {"0.0.0.0:7000", Reachable, "names no machine"},
		{":7000", Reachable, "names no machine"}, {"http://h:1", AnyPort, "is no address"}, {"u@h:1", AnyPort, "no host"},
	} {
		var f Faults
		f.Address("x", c.v, c.port)
		if err := f.Err(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, wanted %q", c.v, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range Roles {
		raw, err := Sample(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("{\"port\": 1, \"parts\": [{\"password\": \"x\"}]}"))
	f.Add([]byte("a: &x [*x]\n? b\n: c\n- |2\n  d"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := Decode("x.yaml", raw, &sample{})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("no list of faults: %v", err)
		}
	})
}
