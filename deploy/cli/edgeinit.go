package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"wardline/configs"
	"wardline/edge"
	"wardline/sync/record"
	"wardline/sync/trust"
)

const edgeInitUsage = `wardline edge init --ward CODE --core HOST:PORT,… --token TOKEN --dir DIR [--run]
    makes a ward station ready: writes DIR/edge.yaml and the token beside it; the station
    enrols at the city with it when it runs, and renews its certificate by itself. The
    administrator's screen, and wardline enrol, give the whole line. Where DIR/edge.yaml stands
    already it stays as it is, and only the token is new.`

// The addresses of a station that says nothing else, as in the sample.
const (
	defaultEdgeHTTP = "0.0.0.0:8801"
	defaultEdgeMQTT = "0.0.0.0:1883"
)

// portsAfter bounds how many ports are tried after one that is taken.
const portsAfter = 20

// edgeInit writes what a new station needs, and runs it if that is asked for.
func edgeInit(ctx context.Context, args []string) error {
	f := flags("edge init", edgeInitUsage)
	ward := f.String("ward", "", "the ward's `code`, five digits")
	nodes := f.String("core", "", "the core nodes' sync `addresses`, between commas")
	token := f.String("token", "", "the one-time `token`")
	dir := f.String("dir", "", "the station's `directory`; its ledger and keys lie in it")
	http := f.String("http", "", "`address` of the ward desk (default "+defaultEdgeHTTP+", or the next port that is free)")
	mqtt := f.String("mqtt", "", "`address` for devices over MQTT (default "+defaultEdgeMQTT+", or the next port that is free)")
	run := f.Bool("run", false, "run the station at once; without it the command to run it is printed")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if err := parse(f, args, false); err != nil {
		return err
	}
	code := record.WardCode(*ward)
	switch {
	case !code.Valid():
		return fmt.Errorf("edge init: --ward %q; a ward's code has five digits, such as 27031", *ward)
	case *dir == "":
		return errors.New("edge init: --dir is missing; name a directory on the station's disk, such as /var/lib/wardline/" + *ward)
	case *token == "":
		return errors.New("edge init: --token is missing; wardline enrol station/" + *ward + " at the core prints one")
	}
	t, err := trust.ParseToken(*token)
	if err != nil {
		return fmt.Errorf("edge init: --token: %w", err)
	}
	if t.Name != trust.StationName(code) {
		return fmt.Errorf("edge init: the token is for %s, and --ward is %s", t.Name, *ward)
	}
	home, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	file := filepath.Join(home, "edge.yaml")
	var c edge.Config
	if _, err := os.Stat(file); err == nil {
		if err := configs.Read(file, &c); err != nil {
			return err
		}
		if c.Ward != code || c.TLS.TokenFile == "" {
			return fmt.Errorf("edge init: %s is there already, for ward %s, tls.token_file %q; give another --dir, or mend it", file, c.Ward, c.TLS.TokenFile)
		}
		fmt.Fprintf(os.Stderr, "%s is there already and stays as it is; the token is new\n", file)
	} else {
		c = edge.Config{Role: "edge", Ward: code, Dir: filepath.Join(home, "data"), Core: strings.Split(*nodes, ","), TLS: edge.TLS{TokenFile: filepath.Join(home, "enrol-token")}}
		if c.HTTP, err = freeAddress(*http, defaultEdgeHTTP, "http"); err != nil {
			return err
		}
		if c.MQTT, err = freeAddress(*mqtt, defaultEdgeMQTT, "mqtt"); err != nil {
			return err
		}
		if err := c.Validate(); err != nil {
			return fmt.Errorf("edge init: %w", err)
		}
		if err := writeNew(file, edgeFile(&c)); err != nil {
			return err
		}
	}
	if err := writeNew(c.TLS.TokenFile, *token+"\n"); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s is ready; the ward desk is at http://%s/desk/", file, here(c.HTTP))
	if !*run {
		fmt.Fprintf(os.Stderr, " once the station runs:\n  wardline edge --config %s\n", file)
		return nil
	}
	fmt.Fprintf(os.Stderr, "; ctrl-C ends the station, and this starts it again:\n  wardline edge --config %s\n", file)
	return Edge(ctx, []string{"--config", file})
}

// here is a listening address as a browser on this machine writes it.
func here(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// edgeFile is the configuration in the form in which people change it.
func edgeFile(c *edge.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# A ward station, made by wardline edge init. Every key there is, with what it means:\n# wardline config sample --role edge\n\nrole: edge\nward: %q\ndir: %q\ncore:\n", c.Ward, c.Dir)
	for _, a := range c.Core {
		fmt.Fprintf(&b, "  - %q\n", a)
	}
	fmt.Fprintf(&b, "http: %q\nmqtt: %q\ntls:\n  token_file: %q\n\n# Officers and devices come from the city.\nofficers: []\ndevices: []\n", c.HTTP, c.MQTT, c.TLS.TokenFile)
	return b.String()
}

// freeAddress is what was asked for, or the default with the first port that nobody
// on this machine listens at: a second station on one box is a trial's usual case.
func freeAddress(given, standard, flag string) (string, error) {
	if given != "" {
		return given, nil
	}
	host, port, err := net.SplitHostPort(standard)
	if err != nil {
		return "", err
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return "", err
	}
	for n := first; n < first+portsAfter; n++ {
		addr := net.JoinHostPort(host, strconv.Itoa(n))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		if n != first {
			fmt.Fprintf(os.Stderr, "%s is taken by another program on this machine; --%s is %s\n", standard, flag, addr)
		}
		return addr, nil
	}
	return "", fmt.Errorf("edge init: %s and the %d ports after it are taken; give --%s HOST:PORT", standard, portsAfter-1, flag)
}

// writeNew writes a file by rename, readable by its owner alone.
func writeNew(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
