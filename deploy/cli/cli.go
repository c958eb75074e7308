// Package cli is the program's commands that join its parts.
package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"

	"wardline/configs"
	"wardline/core"
	"wardline/deploy/city"
	"wardline/edge"
)

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// Core runs one node of the city core.
func Core(ctx context.Context, args []string) error {
	var c core.Config
	if err := readConfig("core", args, &c); err != nil {
		return err
	}
	n, err := core.New(c, logger(os.Stderr))
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// Edge runs a ward station.
func Edge(ctx context.Context, args []string) error {
	var c edge.Config
	if err := readConfig("edge", args, &c); err != nil {
		return err
	}
	s, err := edge.New(c, logger(os.Stderr))
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

func readConfig(name string, args []string, into configs.Validator) error {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	path := f.String("config", "", "configuration file")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *path == "" {
		return fmt.Errorf("wardline %s: --config FILE is needed", name)
	}
	return configs.Read(*path, into)
}

// Config checks a configuration file: wardline config check --role core|edge --config FILE.
func Config(_ context.Context, args []string) error {
	if len(args) == 0 || args[0] != "check" {
		return fmt.Errorf("wardline config check --role core|edge --config FILE")
	}
	f := flag.NewFlagSet("config check", flag.ContinueOnError)
	path := f.String("config", "", "configuration file")
	role := f.String("role", "edge", "core or edge")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	var into configs.Validator = &edge.Config{}
	if *role == "core" {
		into = &core.Config{}
	}
	if err := configs.Read(*path, into); err != nil {
		return err
	}
	fmt.Printf("%s: good\n", *path)
	return nil
}

// cutFlag is --cut or --cut=MODE.
type cutFlag struct {
	mode city.Cut
	set  bool
}

func (c *cutFlag) String() string   { return string(c.mode) }
func (c *cutFlag) IsBoolFlag() bool { return true }
func (c *cutFlag) Set(v string) error {
	c.set, c.mode = true, city.Cut(v)
	if v == "true" {
		c.mode = city.CutRefuse
	}
	return nil
}

// City runs a whole city to try, or commands a running one.
func City(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("city", flag.ContinueOnError)
	o := city.Options{Out: os.Stderr}
	f.StringVar(&o.Dir, "data", "", "directory of the city")
	f.StringVar(&o.Command, "command", "127.0.0.1:8800", "address of the command centre")
	f.StringVar(&o.Station, "station", "127.0.0.1:8801", "address of the ward station")
	f.StringVar(&o.MQTT, "mqtt", "127.0.0.1:1883", "address of the ward station for MQTT")
	f.IntVar(&o.Devices, "devices", 4, "number of app devices")
	f.BoolVar(&o.NoRestart, "no-restart", false, "leave a dead process dead")
	f.String("limits", "", "off: no rate limits")
	var cut cutFlag
	f.Var(&cut, "cut", "cut the line: refuse, blackhole, up, down")
	heal := f.Bool("heal", false, "heal the line")
	stop := f.String("stop", "", "stop a process of the city")
	start := f.String("start", "", "start it again")
	if err := f.Parse(args); err != nil {
		return err
	}
	switch {
	case cut.set:
		return city.Control(o.Dir, "cut", url.Values{"mode": {string(cut.mode)}})
	case *heal:
		return city.Control(o.Dir, "cut", url.Values{"mode": {""}})
	case *stop != "":
		return city.Control(o.Dir, "stop", url.Values{"name": {*stop}})
	case *start != "":
		return city.Control(o.Dir, "start", url.Values{"name": {*start}})
	}
	bin, err := os.Executable()
	if err != nil {
		return err
	}
	o.Binary = bin
	c, err := city.New(o)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}
