package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"wardline/configs"
	"wardline/core"
	"wardline/sync/trust"
)

const coreInitUsage = `wardline core init --id NAME --peers ID=HOST:PORT,… --raft HOST:PORT --token TOKEN --dir DIR [--run]
    makes a further node of a running city core ready: writes DIR/core.yaml and the token beside
    it; when it runs, the node enrols with it at the peers, joins without a vote and is given one
    once it has caught up. wardline enrol core/NAME prints the line, but for --raft, which is where
    the other nodes are to reach this one. Where DIR/core.yaml stands already only the token is new.`

// coreInit writes what a node needs that joins, and runs it if that is asked for.
func coreInit(ctx context.Context, args []string) error {
	f := flags("core init", coreInitUsage)
	id := f.String("id", "", "the node's `name`, such as core-4")
	peers := f.String("peers", "", "the founding nodes with their Raft addresses, `ID=HOST:PORT` between commas")
	raft := f.String("raft", "", "`address` where the other nodes reach this one")
	token := f.String("token", "", "the one-time `token`")
	dir := f.String("dir", "", "the node's `directory`; its state and keys lie in it")
	http := f.String("http", "127.0.0.1:8800", "`address` of the interface")
	sync := f.String("sync", "0.0.0.0:7001", "`address` where the wards' stations come in")
	run := f.Bool("run", false, "run the node at once; without it the command to run it is printed")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if err := parse(f, args, false); err != nil {
		return err
	}
	if *dir == "" || *id == "" {
		return errors.New("core init: --id and --dir are needed: the node's name, and a directory on its disk such as /var/lib/wardline/core")
	}
	t, err := trust.ParseToken(*token)
	if err != nil {
		return fmt.Errorf("core init: --token: %w", err)
	}
	if t.Name != trust.NodeName(*id) {
		return fmt.Errorf("core init: the token is for %s, and --id is %s", t.Name, *id)
	}
	home, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	file := filepath.Join(home, "core.yaml")
	var c core.Config
	if _, err := os.Stat(file); err == nil {
		if err := configs.Read(file, &c); err != nil {
			return err
		}
		if c.ID != *id || c.TokenFile == "" {
			return fmt.Errorf("core init: %s is there already, for node %s, token_file %q; give another --dir, or mend it", file, c.ID, c.TokenFile)
		}
		fmt.Fprintf(os.Stderr, "%s is there already and stays as it is; the token is new\n", file)
	} else {
		c = core.Config{Role: "core", ID: *id, Dir: filepath.Join(home, "data"), HTTP: *http, Raft: *raft, Sync: *sync, Join: true,
			TokenFile: filepath.Join(home, "enrol-token"), CityKey: filepath.Join(home, "city.key")}
		for _, p := range strings.Split(*peers, ",") {
			name, addr, _ := strings.Cut(p, "=")
			c.Peers = append(c.Peers, core.Peer{ID: name, Raft: addr})
		}
		if err := c.Validate(); err != nil {
			return fmt.Errorf("core init: %w", err)
		}
		if err := writeNew(file, coreFile(&c)); err != nil {
			return err
		}
	}
	if err := writeNew(c.TokenFile, *token+"\n"); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s is ready; the node runs by:\n  wardline core --config %s\n", file, file)
	if !*run {
		return nil
	}
	return Core(ctx, []string{"--config", file})
}

// coreFile is the configuration in the form in which people change it.
func coreFile(c *core.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# A node that joins the city's core, made by wardline core init. Every key there is, with what it
# means: wardline config sample --role core

role: core
id: %q
dir: %q
http: %q
raft: %q
sync: %q

# The founding nodes, through which it joins.
join: true
peers:
`, c.ID, c.Dir, c.HTTP, c.Raft, c.Sync)
	for _, p := range c.Peers {
		fmt.Fprintf(&b, "  - id: %q\n    raft: %q\n", p.ID, p.Raft)
	}
	fmt.Fprintf(&b, `
# The token is good once; the node's own key and certificate then lie below dir.
token_file: %q
# The city's key comes with the certificate. Keep it out of backups.
city_key: %q

# Officers and devices come from the city.
officers: []
devices: []
`, c.TokenFile, c.CityKey)
	return b.String()
}
