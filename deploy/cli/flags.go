package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// flags is a command's set of flags. Its help begins with usage.
func flags(name, usage string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // parse says what is wrong, once
	f.Usage = func() { help(os.Stdout, f, usage) }
	return f
}

// help is what --help prints: how the command is called and every flag.
func help(w io.Writer, f *flag.FlagSet, usage string) {
	text := strings.TrimRight(usage, "\n") + "\n\n"
	f.VisitAll(func(x *flag.Flag) {
		arg, does := flag.UnquoteUsage(x)
		left := "  --" + x.Name
		if arg != "" {
			left += " " + strings.ToUpper(arg)
		}
		if x.DefValue != "" && x.DefValue != "false" && x.DefValue != "0" && x.DefValue != "0s" {
			does += " (default " + x.DefValue + ")"
		}
		text += fmt.Sprintf("%-24s %s\n", left, does)
	})
	_, _ = io.WriteString(w, text) // whoever does not read it does not need it
}

// parse reads the flags; leftover says whether words may follow them.
func parse(f *flag.FlagSet, args []string, leftover bool) error {
	usage := f.Usage
	f.Usage = func() {} // not for every wrong flag
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		usage()
		return err
	} else if err != nil {
		return fmt.Errorf("%s: %w; wardline %s --help lists the flags", f.Name(), err, f.Name())
	}
	if f.NArg() > 0 && !leftover {
		return fmt.Errorf("%s: %q is left over; a flag's value follows it as in --data DIR, and wardline %s --help lists the flags", f.Name(), f.Arg(0), f.Name())
	}
	return nil
}

// wantsHelp says whether a command with words of its own was asked for its help.
func wantsHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help")
}
