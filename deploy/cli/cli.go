// Package cli is the program's commands that join its parts.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"runtime/debug"
	"strings"

	"wardline/configs"
	"wardline/core"
	"wardline/deploy/city"
	"wardline/edge"
)

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// coreMemory is when a core node's collector works harder, in bytes: what builds the
// tables takes and keeps buffers by hundreds of megabytes under a drain. Some of it is
// never touched: 600 MiB are 480 MB of anonymous memory.
const coreMemory = 600 << 20

// Core runs one node of the city core.
func Core(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "init" {
		return coreInit(ctx, args[1:])
	}
	var c core.Config
	if err := readConfig("core", args, &c); err != nil {
		return err
	}
	c.Wall = wall(c.ID)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(coreMemory)
	}
	log := logger(os.Stderr)
	if err := core.Enrol(ctx, c, log); err != nil {
		return err
	}
	n, err := core.New(c, log)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// edgeMemory is when a station's collector works harder, in bytes: a flood that meets a slow disk keeps up to 26 tables in
// the making, and what they leave goes back to the system only slowly. At rest it holds a tenth of this.
const edgeMemory = 80 << 20

// deviceMemory is how much more a station may hold for each device that is connected, in bytes: an idle one over TLS
// holds 13 KB, and without room above what lives the collector takes more processor time than everything else.
const deviceMemory = 16 << 10

// Edge runs a ward station, or with init makes one ready.
func Edge(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "init" {
		return edgeInit(ctx, args[1:])
	}
	var c edge.Config
	if err := readConfig("edge", args, &c); err != nil {
		return err
	}
	c.Wall = wall("ward-" + string(c.Ward))
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(edgeMemory)
		c.Connected = func(devices int) { debug.SetMemoryLimit(edgeMemory + int64(devices)*deviceMemory) }
	}
	s, err := edge.New(c, logger(os.Stderr))
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// begin is what makes a role's configuration besides its sample.
var begin = map[string]string{"edge": "wardline edge init (its --help tells more), or ",
	"core": "for a node that joins, wardline core init (its --help tells more), or "}

func readConfig(name string, args []string, into configs.Validator) error {
	f := flags(name, "wardline "+name+" --config FILE\nBegin with: "+begin[name]+"wardline config sample --role "+name+" > FILE")
	path := f.String("config", "", "the configuration `file`")
	if err := parse(f, args, false); err != nil {
		return err
	}
	if *path == "" {
		return fmt.Errorf("%s: --config FILE is needed; wardline config sample --role %s prints one to begin with", name, name)
	}
	return configs.Read(*path, into)
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

const cityUsage = `wardline city --data DIR [flags]
    runs three core nodes and a ward station, each a process; ctrl-C ends them, and the same
    directory continues later. What to open and how to report is printed once it stands.
wardline city --data DIR --cut[=MODE] [--between FROM,TO] | --heal | --stop NAME | --kill NAME | --start NAME | --slow HOW
    commands the city that runs on DIR`

// City runs a whole city to try, or commands a running one.
func City(ctx context.Context, args []string) error {
	f := flags("city", cityUsage)
	o := city.Options{Out: os.Stderr}
	f.StringVar(&o.Dir, "data", "", "keep the city in this `directory`")
	f.StringVar(&o.Command, "command", "127.0.0.1:8800", "`address` of the command centre; port 0 takes any, one that is taken is replaced")
	f.StringVar(&o.Station, "station", "127.0.0.1:8801", "`address` of the ward station")
	f.StringVar(&o.MQTT, "mqtt", "127.0.0.1:1883", "`address` of the ward station for MQTT")
	f.IntVar(&o.Devices, "devices", 4, "`number` of app devices that may report")
	f.StringVar(&o.Tiles, "tiles", "", "draw streets from this `file` of vector tiles (PMTiles) under the wards' boundaries")
	f.BoolVar(&o.Wires, "wires", false, "a new city's core nodes reach each other over lines that --between can cut")
	f.BoolVar(&o.NoRestart, "no-restart", false, "leave a dead process dead; without it, it starts again after a second")
	f.BoolVar(&o.Encrypt, "encrypt", false, "encrypt what the nodes and stations write on their disks, under keys in the data directory's disk-keys; it stays so")
	limits := f.String("limits", "", "`off`: no limits on how often a device or an address reports, for measurements")
	var cut cutFlag
	f.Var(&cut, "cut", "cut the line of a running city, as --cut or --cut=`mode`: refuse, blackhole, up, down")
	heal := f.Bool("heal", false, "heal the lines of a running city")
	between := f.String("between", "", "with --cut: not the station's line but that from one core node to another, `from,to`, such as core-1,core-2; an empty name is all")
	stop := f.String("stop", "", "stop a process of a running city by its `name`, such as core-1 or ward-26704")
	start := f.String("start", "", "start it again by its `name`")
	kill := f.String("kill", "", "end a process of a running city at once, by its `name`; it stays down until --start")
	slow := f.String("slow", "", "make the line of a running city bad, `how`: any of latency=300ms,jitter=200ms,rate=20000 (bytes a second),loss=0.05,way=up (or down; both without it); --heal ends it")
	if err := parse(f, args, false); err != nil {
		return err
	}
	switch {
	case *between != "" && !cut.set:
		return errors.New("city: --between goes with --cut")
	case *between != "":
		from, to, ok := strings.Cut(*between, ",")
		if !ok {
			return fmt.Errorf("city: --between=%s: write from,to, such as core-1,core-2; an empty name is all", *between)
		}
		return city.Control(o.Dir, "between", url.Values{"mode": {string(cut.mode)}, "from": {from}, "to": {to}})
	case cut.set:
		return city.Control(o.Dir, "cut", url.Values{"mode": {string(cut.mode)}})
	case *heal:
		return errors.Join(city.Control(o.Dir, "cut", url.Values{"mode": {""}}), city.Control(o.Dir, "slow", nil), city.Control(o.Dir, "whole", nil))
	case *stop != "":
		return city.Control(o.Dir, "stop", url.Values{"name": {*stop}})
	case *start != "":
		return city.Control(o.Dir, "start", url.Values{"name": {*start}})
	}
	if *kill != "" {
		return city.Control(o.Dir, "kill", url.Values{"name": {*kill}})
	}
	if *slow != "" {
		how, err := url.ParseQuery(strings.ReplaceAll(*slow, ",", "&"))
		if err != nil {
			return fmt.Errorf("city: --slow %s: %w", *slow, err)
		}
		return city.Control(o.Dir, "slow", how)
	}
	if *limits != "" && *limits != "off" {
		return fmt.Errorf("city: --limits=%s; it may be off alone", *limits)
	}
	o.NoLimits = *limits == "off"
	bin, err := os.Executable()
	if err != nil {
		return err
	}
	o.Binary = bin
	f.Visit(func(f *flag.Flag) { o.Given = append(o.Given, f.Name) })
	c, err := city.New(o)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}
