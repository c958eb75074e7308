// Command wardline is the line between a city's wards and its command centre:
// the ward station, the city core, and the tools around them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

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
	{"edge", "a ward station", cli.Edge},
	{"sim", "devices that are not there: app, kiosk, panel, button", cli.Sim},
	{"wards", "wards import: ward boundaries, GeoJSON", cli.Wards},
	{"rules", "rules import, rules show: priorities, departments and deadlines per category", cli.Rules},
	{"config", "config check: what is wrong with a configuration file", cli.Config},
	{"version", "the version", func(context.Context, []string) error { fmt.Println("wardline", version); return nil }},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) > 1 {
		for _, c := range commands {
			if c.name != os.Args[1] {
				continue
			}
			if err := c.run(ctx, os.Args[2:]); err != nil && !errors.Is(err, flag.ErrHelp) {
				fmt.Fprintln(os.Stderr, "wardline:", err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: wardline COMMAND [flags]")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-9s %s\n", c.name, c.does)
	}
	os.Exit(2)
}
