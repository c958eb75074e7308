package city

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"wardline/sync/identity"
)

// try logs in once and gives the status.
func (f *fleet) try(base, user, password string) (*http.Client, int) {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	b, err := json.Marshal(map[string]string{"user": user, "password": password})
	if err != nil {
		f.t.Fatal(err)
	}
	return c, f.call(c, "POST", base+"/api/v1/session", b).status
}

type accountReply struct {
	User, Role, Unit, Password, By, Reason string
	Disabled                               bool
	MustChange                             bool `json:"must_change"`
}

// TestAccounts_MadeAtTheCore_LogInAtTheWardWhileItIsCut: an account is an entry, goes
// down the line, and holds at the station when the city is away.
func TestAccounts_MadeAtTheCore_LogInAtTheWardWhileItIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startFleet(t)
	admin := f.login(f.coreURL(0), identity.Administrator)
	users := f.coreURL(0) + "/api/v1/users"
	add := func(body string) accountReply {
		t.Helper()
		a := f.call(admin, "POST", users, []byte(body))
		var r accountReply
		f.into(a, &r)
		if a.status != 201 || r.By != "administrator" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return r
	}
	lan := add(`{"user":"lan","role":"ward_officer","unit":"ward/26704","must_change":false,"reason":"new at the post"}`)
	minh := add(`{"user":"minh","role":"ward_officer","unit":"ward/27031","password":"bốn con mèo ngồi","must_change":false,"reason":"new at another post"}`)
	if len(lan.Password) < 16 || minh.Password != "" {
		t.Errorf("passwords made: %+v %+v", lan, minh)
	}
	f.wait("lan logs in at the ward", func() bool { _, s := f.try(f.stationURL(), "Lan", lan.Password); return s == 200 })
	if _, s := f.try(f.stationURL(), "minh", "bốn con mèo ngồi"); s != 403 {
		t.Errorf("an officer of another ward at this station: %d", s)
	}
	for i := range f.cores {
		f.wait("minh logs in at each core node", func() bool { _, s := f.try(f.coreURL(i), "minh", "bốn con mèo ngồi"); return s == 200 })
	}
	// A password that somebody else chose lets its officer do nothing but choose another.
	hoa := add(`{"user":"hoa","role":"command_officer","unit":"command","reason":"new at the centre"}`)
	c, s := f.try(f.coreURL(1), "hoa", hoa.Password)
	f.wait("hoa logs in", func() bool { c, s = f.try(f.coreURL(1), "hoa", hoa.Password); return s == 200 })
	if a := f.call(c, "GET", f.coreURL(1)+"/api/v1/incidents", nil); a.status != 403 {
		t.Errorf("with a password of somebody else: %d %s", a.status, a.body)
	}
	change, err := json.Marshal(map[string]string{"old": hoa.Password, "new": "năm con gà trống choai"})
	if err != nil {
		t.Fatal(err)
	}
	if a := f.call(c, "POST", f.coreURL(1)+"/api/v1/me/password", change); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f.wait("the session under the old password ends", func() bool { return f.call(c, "GET", f.coreURL(1)+"/api/v1/me", nil).status == 401 })
	if _, s := f.try(f.coreURL(1), "hoa", hoa.Password); s != 403 {
		t.Errorf("the old password: %d", s)
	}
	if c, s = f.try(f.coreURL(1), "hoa", "năm con gà trống choai"); s != 200 || f.call(c, "GET", f.coreURL(1)+"/api/v1/incidents", nil).status != 200 {
		t.Errorf("the new password: %d", s)
	}
	// Disabled: at the core at once, at the station when it hears.
	there, s := f.try(f.stationURL(), "lan", lan.Password)
	here, s2 := f.try(f.coreURL(0), "lan", lan.Password)
	if s != 200 || s2 != 200 {
		t.Fatal(s, s2)
	}
	for i := range f.cores {
		f.stop[f.cores[i].ID]()
	}
	if _, s := f.try(f.stationURL(), "lan", lan.Password); s != 200 {
		t.Errorf("log-in at the ward that is cut off: %d", s)
	}
	f.stop["station"]()
	f.startStation()
	if _, s := f.try(f.stationURL(), "lan", lan.Password); s != 200 {
		t.Errorf("log-in at the ward that was restarted while cut off: %d", s)
	}
	for i := range f.cores {
		f.startCore(i)
	}
	f.ready(f.coreURL(0))
	admin = f.login(f.coreURL(0), identity.Administrator)
	if a := f.call(admin, "PATCH", users+"/lan", []byte(`{"disabled":true,"reason":"left the service"}`)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := f.call(here, "GET", f.coreURL(0)+"/api/v1/me", nil); a.status != 401 {
		t.Errorf("a session of a disabled account at the core: %d", a.status)
	}
	f.wait("the station hears that lan left", func() bool { return f.call(there, "GET", f.stationURL()+"/api/v1/me", nil).status == 401 })
	if _, s := f.try(f.stationURL(), "lan", lan.Password); s != 403 {
		t.Errorf("log-in of a disabled account: %d", s)
	}
}

// TestPassword_ChosenAtAWardThatIsCutOff_HoldsThereAtOnce_AndAtTheCityUnlessChangedMeanwhile:
// an officer who reaches the station alone, with a password that somebody else set, must
// not wait for the city; of two changes made apart one stands, and the other is named.
func TestPassword_ChosenAtAWardThatIsCutOff_HoldsThereAtOnce_AndAtTheCityUnlessChangedMeanwhile(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a whole city")
	}
	f := startProcesses(t)
	admin := f.login(f.coreURL(0), identity.Administrator)
	users := f.coreURL(0) + "/api/v1/users"
	first := map[string]string{}
	for _, user := range []string{"lan", "minh"} {
		var r accountReply
		f.into(f.call(admin, "POST", users, []byte(`{"user":"`+user+`","role":"ward_officer","unit":"ward/26704","reason":"new at the post"}`)), &r)
		first[user] = r.Password
		f.wait(user+" logs in at the ward", func() bool { _, s := f.try(f.stationURL(), user, r.Password); return s == 200 })
	}
	stop := func() {
		for i := range f.cores {
			f.stop[f.cores[i].ID]()
		}
	}
	start := func() {
		for i := range f.cores {
			f.startCore(i)
		}
		f.ready(f.coreURL(0))
	}
	choose := func(user, old, next string, want int) {
		t.Helper()
		c, s := f.try(f.stationURL(), user, old)
		body, err := json.Marshal(map[string]string{"old": old, "new": next})
		if err != nil || s != 200 {
			t.Fatal(err, s)
		}
		if a := f.call(c, "POST", f.stationURL()+"/api/v1/me/password", body); a.status != want {
			t.Fatalf("%s: %d %s", user, a.status, a.body)
		}
		if want == 204 && f.call(c, "GET", f.stationURL()+"/api/v1/me", nil).status != 401 {
			t.Error("the session under the old password goes on")
		}
	}
	holds := func(base, user, password string, want int) {
		t.Helper()
		if _, s := f.try(base, user, password); s != want {
			t.Errorf("%s at %s with %q: %d, want %d", user, base, password, s, want)
		}
	}
	stop()
	choose("lan", first["lan"], "bốn con mèo ngồi", 204)
	choose("lan", "bốn con mèo ngồi", "năm con gà trống choai", 204) // again, on top of what the city does not know
	choose("minh", first["minh"], "sáu con trâu cày ruộng", 204)
	command, s := f.try(f.stationURL(), "command", f.password(identity.CommandOfficer))
	if a := f.call(command, "POST", f.stationURL()+"/api/v1/me/password", []byte(`{"old":"`+f.password(identity.CommandOfficer)+`","new":"bảy con vịt bơi"}`)); s != 200 || a.status != 403 {
		t.Errorf("an account of the command centre is changed by a ward's station: %d %s", a.status, a.body)
	}
	holds(f.stationURL(), "lan", first["lan"], 403)
	holds(f.stationURL(), "lan", "năm con gà trống choai", 200)
	f.stop["station"]()
	f.startStation()
	holds(f.stationURL(), "lan", "năm con gà trống choai", 200) // after a restart while cut off
	f.stop["station"]()
	start()
	admin = f.login(f.coreURL(0), identity.Administrator)
	holds(f.coreURL(0), "lan", first["lan"], 200) // the city knows nothing yet
	var reset accountReply
	f.into(f.call(admin, "POST", users+"/minh/password", []byte(`{"reason":"forgotten"}`)), &reset)
	f.startStation()
	for i := range f.cores {
		f.wait("lan's password comes to each core node", func() bool { _, s := f.try(f.coreURL(i), "lan", "năm con gà trống choai"); return s == 200 })
	}
	holds(f.coreURL(0), "lan", first["lan"], 403)
	holds(f.coreURL(0), "minh", "sáu con trâu cày ruộng", 403)
	f.wait("the city's password holds at the ward", func() bool { _, s := f.try(f.stationURL(), "minh", reset.Password); return s == 200 })
	holds(f.stationURL(), "minh", "sáu con trâu cày ruộng", 403)
	f.wait("the station says whose password does not hold", func() bool {
		a := f.call(f.as(f.stationURL(), identity.Supervisor), "GET", f.stationURL()+"/api/v1/stations", nil)
		return strings.Contains(string(a.body), "the password that minh chose at the ward does not hold") && !strings.Contains(string(a.body), "that lan chose")
	})
	holds(f.stationURL(), "lan", "năm con gà trống choai", 200)
	var list struct{ Items []accountReply }
	f.into(f.call(admin, "GET", users, nil), &list)
	for _, a := range list.Items {
		if a.User == "lan" && (a.MustChange || a.By != "lan" || a.Reason != "chosen by its officer at the ward") {
			t.Errorf("%+v", a)
		}
	}
}

func (f *fleet) password(role identity.Role) string {
	for _, o := range f.officers {
		if o.Role == role {
			return o.Password
		}
	}
	return ""
}
