package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"wardline/sync/api"
	"wardline/sync/trust"
)

const enrolUsage = `wardline enrol station/CODE [--names HOST,…] [--for 24h] WHERE
    prints a one-time token, and the line by which a new station is made with it; put into
    the tls.token_file of a station that runs, it enrols that anew
wardline enrol core/NAME [--names HOST,…] [--for 24h] WHERE
    the same for a further node of the core, which joins the running city with it
wardline enrol list WHERE                 machines, and the certificate authority
wardline enrol revoke station/CODE|core/NAME WHERE
    it may speak no more; a core node is taken out of the cluster, if the others go on without it
wardline enrol rotate WHERE               the authority's next generation; the present one stays trusted
wardline enrol retire WHERE               the generation before is trusted no more, once every station has renewed
WHERE is --data DIR of a city to try, or --url URL --user USER --password-file FILE of an administrator`

// Enrol makes tokens for stations and core nodes, and says which machines may speak.
func Enrol(ctx context.Context, args []string) error {
	f := flags("enrol", enrolUsage)
	names := f.String("names", "", "host `names` and addresses, between commas, under which devices and browsers reach the station")
	life := f.Duration("for", 24*time.Hour, "how long the token is good, a `duration`")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if len(args) == 0 {
		return errors.New("enrol: name a machine, such as station/26704 or core/core-4, or say list, revoke, rotate or retire; wardline enrol --help tells more")
	}
	word, rest := args[0], args[1:]
	c := api.MachineChange{Op: trust.Op(word)}
	switch word {
	case "list", string(trust.OpRotate), string(trust.OpRetire):
	case string(trust.OpRevoke):
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return errors.New("enrol revoke: name the machine, such as station/26704 or core/core-3")
		}
		c.Name, rest = rest[0], rest[1:]
	default:
		c.Op, c.Name = trust.OpToken, word
	}
	if id, ok := strings.CutPrefix(c.Name, "core/"); ok { // as people call it
		c.Name = trust.NodeName(id).String()
	}
	if c.Name != "" {
		if _, err := trust.ParseName(c.Name); err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
	}
	k, err := signInBy(ctx, f, rest)
	if err != nil {
		return err
	}
	if len(k.files) > 0 {
		return fmt.Errorf("enrol: %q is left over", k.files[0])
	}
	if word == "list" {
		return listMachines(ctx, k)
	}
	if c.Op == trust.OpToken {
		c.ForSeconds = int64(life.Seconds())
		if *names != "" {
			c.Names = strings.Split(*names, ",")
		}
	}
	ask, err := json.Marshal(c)
	if err != nil {
		return err
	}
	raw, err := k.Call(ctx, "POST", "/api/v1/machines", ask)
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	var done api.MachineDone
	if err := json.Unmarshal(raw, &done); err != nil {
		return err
	}
	if c.Op == trust.OpRevoke && strings.HasPrefix(c.Name, string(trust.Node)+"/") {
		fmt.Fprintln(os.Stderr, "it is turned away and taken out of the cluster. Its disk still holds the city's key: destroy it, and if it is in other hands read \"A core node in other hands\" in README.md")
	}
	if done.Token != "" {
		fmt.Println(done.Token)
		fmt.Fprintf(os.Stderr, "good once, until %s; it is not shown again\n", done.Until)
		if name, err := trust.ParseName(c.Name); err == nil {
			return sayLine(ctx, k, name, done.Token)
		}
	}
	return nil
}

// sayLine says what to type on a new machine.
func sayLine(ctx context.Context, k *client, name trust.Name, token string) error {
	raw, err := k.Call(ctx, "GET", "/api/v1/machines", nil)
	var list api.MachineList
	if err == nil {
		err = json.Unmarshal(raw, &list)
	}
	if err != nil {
		return fmt.Errorf("enrol: the token is good, and where machines reach the city cannot be read: %w", err)
	}
	if name.Kind == trust.Node {
		var peers []string
		for _, n := range list.Nodes {
			if n.Founding {
				peers = append(peers, n.ID+"="+n.Raft)
			}
		}
		fmt.Fprintf(os.Stderr, "on the node's machine, with the address where the other nodes reach it as --raft:\n  wardline core init --run --dir /var/lib/wardline/core --id %s --raft HOST:7000 --peers %s --token %s\n", name.ID, strings.Join(peers, ","), token)
		return nil
	}
	var nodes []string
	for _, n := range list.Nodes {
		if n.Sync != "" {
			nodes = append(nodes, n.Sync)
		}
	}
	if len(nodes) == 0 {
		nodes = []string{"CORE-1:7001"}
	}
	fmt.Fprintf(os.Stderr, "on the station's box:\n  wardline edge init --run --dir /var/lib/wardline/%[1]s --ward %[1]s --core %[2]s --token %[3]s\n", name.ID, strings.Join(nodes, ","), token)
	return nil
}

func listMachines(ctx context.Context, k *client) error {
	raw, err := k.Call(ctx, "GET", "/api/v1/machines", nil)
	if err != nil {
		return err
	}
	var list api.MachineList
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for _, m := range list.Items {
		since := "-"
		if m.Since != nil {
			since = m.Since.String()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\tenrolled %d times\t%s\t%s\n", m.Name, m.State, m.Epoch, since, strings.Join(m.Names, ",")) // Flush says it
	}
	a := list.Authority
	_, _ = fmt.Fprintf(w, "authority\tgeneration %d\ttrusted from %d\tfingerprint %s\n", a.Current, a.Oldest, a.Fingerprint) // as above
	return w.Flush()
}
