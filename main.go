// Command wardline is the line between a city's wards and its command centre:
// the ward station, the city core, and the tools around them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"wardline/configs"
	"wardline/deploy/cli"
)

// version is set when a release is built.
var version = "dev"

// commands is the map of the program.
var commands = []struct {
	name, does string
	run        func(ctx context.Context, args []string) error
}{
	{"city", "a whole city to try: 3 core nodes, one ward station", cli.City},
	{"core", "one node of the city core", cli.Core},
	{"edge", "a ward station; edge init makes one ready", cli.Edge},
	{"sim", "devices that are not there: app, kiosk, panel, button", cli.Sim},
	{"enrol", "a one-time token for a ward's station; which machines may speak; the certificate authority", cli.Enrol},
	{"device", "device add, list, revoke: kiosks, bridges, cameras", cli.Device},
	{"wards", "wards import: ward boundaries into the city, GeoJSON", cli.Wards},
	{"points", "points import: hydrants and other places of help, GeoJSON", cli.Points},
	{"rules", "rules import, rules show: priorities, departments and deadlines per category", cli.Rules},
	{"user", "user add, list, change, passwd, disable: officers' accounts", cli.User},
	{"erase", "erase INCIDENT, erase list: destroy the keys of what identifies people", cli.Erase},
	{"audit", "audit export, audit verify: the city's log as proof, and whether it is whole", cli.Audit},
	{"config", "config check: what is wrong with a configuration file; config sample: one to begin with", cli.Config},
	{"version", "the version", func(context.Context, []string) error { fmt.Println("wardline", version); return nil }},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		err := c.run(ctx, os.Args[2:])
		if err == nil || errors.Is(err, flag.ErrHelp) {
			return
		}
		var file *configs.Error
		if errors.As(err, &file) {
			fmt.Fprintln(os.Stderr, file) // FILE:LINE: stands first, where an editor looks for it
		} else {
			fmt.Fprintln(os.Stderr, "wardline:", err)
		}
		os.Exit(1)
	}
	switch name {
	case "help", "-h", "-help", "--help":
		usage(os.Stdout)
		return
	case "":
		usage(os.Stderr)
	default:
		fmt.Fprintf(os.Stderr, "wardline: there is no command %q\n", name)
		usage(os.Stderr)
	}
	os.Exit(2)
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: wardline COMMAND [flags]; wardline COMMAND --help tells more")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.does)
	}
}
