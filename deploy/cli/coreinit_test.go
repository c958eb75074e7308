package cli

import (
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"wardline/configs"
	"wardline/core"
	"wardline/sync/trust"
)

func TestCoreInit_FreshDirectory_WritesAConfigurationThatJoins(t *testing.T) {
	dir := t.TempDir()
	token := trust.Token{Name: trust.NodeName("core-4"), Secret: trust.NewSecret()}
	args := []string{"--id", "core-4", "--dir", dir, "--raft", "core-4.example:7000", "--peers", "core-1=core-1.example:7000,core-2=core-2.example:7000", "--token", token.String()}
	if err := coreInit(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	var c core.Config
	if err := configs.Read(filepath.Join(dir, "core.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	if !c.Join || c.ID != "core-4" || len(c.Peers) != 2 || c.Peers[1] != (core.Peer{ID: "core-2", Raft: "core-2.example:7000"}) || c.TokenFile != filepath.Join(dir, "enrol-token") {
		t.Errorf("%+v", c)
	}
	if err := coreInit(t.Context(), args); err != nil {
		t.Errorf("a second token: %v", err)
	}
	other := token.String()
	other = strings.Replace(other, "core-4", "core-5", 1)
	for what, wrong := range map[string][]string{"another node's token": append(args[:len(args):len(args)], "--token", other), "no token": args[:8],
		"no peers": {"--id", "core-4", "--dir", t.TempDir(), "--raft", "h:7000", "--token", token.String()}} {
		if err := coreInit(t.Context(), wrong); err == nil || strings.Contains(err.Error(), token.Secret) || strings.Contains(err.Error(), hex.EncodeToString(token.Authority[:])) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
