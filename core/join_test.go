package core

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wardline/sync/api"
	"wardline/sync/identity"
	"wardline/sync/record"
	"wardline/sync/trust"
)

// order asks for a change of machines at a node, in an administrator's name.
func (x *testNode) order(c api.MachineChange) (api.MachineDone, error) {
	by := identity.Officer{User: "administrator", Role: identity.Administrator, Unit: record.Command}
	deadline := time.Now().Add(patience)
	for {
		done, err := backend{x.n}.ChangeMachine(context.Background(), by, c)
		var p *api.Error
		if !errors.As(err, &p) || p.Status != 503 || time.Now().After(deadline) {
			return done, err
		}
	}
}

func (x *testNode) token(name string, seconds int64) string {
	x.t.Helper()
	done, err := x.order(api.MachineChange{Op: trust.OpToken, Name: name, ForSeconds: seconds})
	if err != nil {
		x.t.Fatal(err)
	}
	return done.Token
}

// joining is a further node, on an empty disk, with a token in its file.
func (x *testNode) joining(dir, id, token string) *testNode {
	x.t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		x.t.Fatal(err)
	}
	c := Config{ID: id, Dir: filepath.Join(dir, "data"), HTTP: "127.0.0.1:0", Raft: freeAddr(x.t), Sync: "127.0.0.1:0", Peers: x.c.Peers, Join: true,
		CityKey: filepath.Join(dir, "city.key"), TokenFile: filepath.Join(dir, "token"), ReserveMB: 1}
	if token != "" {
		if err := os.WriteFile(c.TokenFile, []byte(token+"\n"), 0o600); err != nil {
			x.t.Fatal(err)
		}
	}
	if err := c.Validate(); err != nil {
		x.t.Fatal(err)
	}
	n := &testNode{t: x.t, c: c}
	x.t.Cleanup(n.stop)
	return n
}

func (x *testNode) enrol() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return Enrol(ctx, x.c, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func (x *testNode) mustEnrol() {
	x.t.Helper()
	if err := x.enrol(); err != nil {
		x.t.Fatalf("%s: %v", x.c.ID, err)
	}
}

func (x *testNode) votes() bool { return x.n.raft.Stats().Voter }

func startCity(t *testing.T, dir string, n int) []*testNode {
	t.Helper()
	city := newCity(t, dir, n)
	for _, x := range city {
		x.start()
	}
	city[0].mustReport(1, record.Fire)
	return city
}

// TestNode_Enrolled_JoinsWithATokenAndHoldsTheSame: a fourth node makes its own key, is
// given its certificate and the city's key for a token, has all that the city has, takes
// reports itself, votes, and comes back with what lies on its disk.
func TestNode_Enrolled_JoinsWithATokenAndHoldsTheSame(t *testing.T) {
	dir := t.TempDir()
	city := startCity(t, dir, 3)
	token := city[1].token("node/core-4", 0)
	fourth := city[0].joining(filepath.Join(dir, "core-4"), "core-4", token)
	if _, err := New(fourth.c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "token_file") {
		t.Fatalf("a node that is not enrolled began: %v", err)
	}
	fourth.mustEnrol()
	one, err := os.ReadFile(city[0].c.CityKey)
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(fourth.c.CityKey)
	if err != nil || !slices.Equal(one, two) {
		t.Fatalf("the city's key did not come: %v", err)
	}
	fourth.start()
	waitFor(t, "the report is at the new node", func() bool { return fourth.lists(1) })
	fourth.mustReport(2, record.Crime)
	all := append(slices.Clone(city), fourth)
	same(t, all)
	waitFor(t, "the new node votes", fourth.votes)
	if p, err := trust.PeerOf(fourth.n.trust.h.Certificate().Leaf); err != nil || p.Name != trust.NodeName("core-4") || p.Epoch != 1 {
		t.Fatalf("its certificate is of %+v (%v)", p, err)
	}

	fourth.stop()
	fourth.start()
	fourth.mustReport(3, record.Crime)
	same(t, all)
}

// TestNode_CityOfOne_GrowsByTokens: the first node is the authority; two more join it by
// tokens, lead while it is away, and take in a fourth.
func TestNode_CityOfOne_GrowsByTokens(t *testing.T) {
	dir := t.TempDir()
	city := startCity(t, dir, 1)
	for _, id := range []string{"core-2", "core-3"} {
		n := city[0].joining(filepath.Join(dir, id), id, city[0].token("node/"+id, 0))
		n.mustEnrol()
		n.start()
		waitFor(t, id+" votes", n.votes)
		city = append(city, n)
	}
	city[0].stop()
	city[1].mustReport(2, record.Crime)
	city[0].start()
	waitFor(t, "the first follows a node that was let in by a token", func() bool { return city[0].lists(2) })
	fourth := city[0].joining(filepath.Join(dir, "core-4"), "core-4", city[1].token("node/core-4", 0))
	fourth.mustEnrol()
	fourth.start()
	same(t, append(city, fourth))
}

// tokenIsGoodOnce: a used token, an ended one, another node's,
// a station's and a guess let nobody in, and leave no city key behind.
func tokenIsGoodOnce(t *testing.T, city []*testNode) {
	dir := t.TempDir()
	used := city[0].token("node/core-4", 0)
	city[0].joining(filepath.Join(dir, "core-4"), "core-4", used).mustEnrol()
	short := city[0].token("node/core-6", 1)
	waitFor(t, "the city's time is past the short token's", func() bool {
		return city[0].n.machine.CityTime() > city[0].n.machine.Machines().Of[trust.NodeName("core-6")].TokenUntil
	})
	of7 := city[0].token("node/core-7", 0)
	guess, err := trust.ParseToken(of7)
	if err != nil {
		t.Fatal(err)
	}
	guess.Secret = trust.NewSecret()
	elsewhere := guess
	elsewhere.Authority[0] ^= 1
	for what, x := range map[string]struct{ id, token string }{
		"used": {"core-4", used}, "ended": {"core-6", short}, "another node's": {"core-8", of7}, "guessed": {"core-7", guess.String()},
		"a station's": {"core-7", city[0].token("station/26704", 0)}, "none": {"core-7", ""}, "nonsense": {"core-7", "secret"},
	} {
		n := city[0].joining(filepath.Join(dir, what), x.id, x.token)
		if err := n.enrol(); !errors.Is(err, trust.ErrToken) && (what != "none" || err == nil) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(n.c.CityKey); err == nil || trust.Enrolled(n.c.keysDir()) {
			t.Errorf("%s: something was handed out", what)
		}
	}
	// One that names another authority shows nothing to this one.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	n := city[0].joining(filepath.Join(dir, "elsewhere"), "core-7", elsewhere.String())
	if err := Enrol(ctx, n.c, slog.New(slog.DiscardHandler)); err == nil || trust.Enrolled(n.c.keysDir()) {
		t.Errorf("another authority was believed: %v", err)
	}
	city[0].joining(filepath.Join(dir, "right"), "core-7", of7).mustEnrol()
}

// TestNode_WithACopiedCityKey_AndNoToken_IsTurnedAway: the key's file alone makes nobody
// a node but the founding ones.
func TestNode_WithACopiedCityKey_AndNoToken_IsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	city := startCity(t, dir, 1)
	own, err := city[0].n.trust.ca.Own(1, trust.NodeName("core-9"), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := trust.NewHolder(time.Now)
	h.SetRoots(city[0].n.trust.h.Roots())
	h.SetCertificate(own)
	c, err := h.Dial(t.Context(), city[0].c.Raft, protoRaft, trust.Node)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		_ = c.Close() // it is over
	}
	if err == nil {
		t.Fatal("it was let in")
	}
	waitFor(t, "it is counted", func() bool { n, _ := city[0].n.trust.raft.Turned(); return n["revoked"] == 1 })
	if !h.Refused() {
		t.Error("the machine does not know that it was turned away")
	}
}

// TestNode_Revoked_IsOutOfTheClusterAndSpeaksNoMore: at once, whichever node took the
// order, with its certificate good for weeks; a new token on an empty disk lets it in again.
func TestNode_Revoked_IsOutOfTheClusterAndSpeaksNoMore(t *testing.T) {
	dir := t.TempDir()
	city := startCity(t, dir, 3)
	place := filepath.Join(dir, "core-4")
	fourth := city[0].joining(place, "core-4", city[0].token("node/core-4", 0))
	fourth.mustEnrol()
	fourth.start()
	waitFor(t, "the new node votes", fourth.votes)
	had := fourth.n.trust.h.Certificate()
	if _, err := city[2].order(api.MachineChange{Op: trust.OpRevoke, Name: "node/core-4"}); err != nil {
		t.Fatal(err)
	}
	if err := fourth.ended(); !errors.Is(err, trust.ErrRevoked) {
		t.Fatalf("the revoked node ended with: %v", err)
	}
	for _, x := range city {
		waitFor(t, "it is out of the cluster at "+x.c.ID, func() bool { return !slices.Contains(x.n.raft.Members(), "core-4") })
		h := trust.NewHolder(time.Now)
		h.SetRoots(x.n.trust.h.Roots())
		h.SetCertificate(had)
		c, err := h.Dial(t.Context(), x.c.Raft, protoRaft, trust.Node)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			_ = c.Close() // it is over
		}
		if err == nil {
			t.Errorf("its certificate opens Raft at %s", x.c.ID)
		}
	}
	city[0].mustReport(2, record.Crime)
	if err := os.RemoveAll(place); err != nil {
		t.Fatal(err)
	}
	again := city[0].joining(place, "core-4", city[0].token("node/core-4", 0))
	again.mustEnrol()
	again.start()
	waitFor(t, "it is back", func() bool { return again.lists(2) && again.votes() })
	same(t, append(city, again))
}

// TestNode_Revoked_WhileTheOthersHaveNoMajority_IsRefused: it says who is missing, and
// nothing has changed.
func TestNode_Revoked_WhileTheOthersHaveNoMajority_IsRefused(t *testing.T) {
	city := startCity(t, t.TempDir(), 3)
	city[2].stop()
	var p *api.Error
	if _, err := city[0].order(api.MachineChange{Op: trust.OpRevoke, Name: "node/core-2"}); !errors.As(err, &p) || p.Status != 409 || !strings.Contains(p.Error(), "core-3") {
		t.Fatalf("%v", err)
	}
	city[1].mustReport(2, record.Crime)
	if _, err := city[0].order(api.MachineChange{Op: trust.OpRevoke, Name: "node/core-3"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the dead node is out", func() bool { return !slices.Contains(city[0].n.raft.Members(), "core-3") })
	city[0].mustReport(3, record.Crime)
}
