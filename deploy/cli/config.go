package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"wardline/configs"
	"wardline/core"
	"wardline/edge"
	"wardline/sync/streets"
)

const configUsage = `wardline config check [--role core|edge] --config FILE
    says everything that is wrong with a file, as FILE:LINE: FIELD: what is wrong (what to do)
wardline config sample --role core|edge
    prints a documented file to begin with`

// emptyConfig is what a role's file is read into.
func emptyConfig(role string) (configs.Validator, bool) {
	switch role {
	case "core":
		return &core.Config{}, true
	case "edge":
		return &edge.Config{}, true
	}
	return nil, false
}

// Config checks a configuration file or prints a sample.
func Config(_ context.Context, args []string) error {
	f := flags("config", configUsage)
	path := f.String("config", "", "the `file` to check")
	role := f.String("role", "", "the `role`: "+strings.Join(configs.Roles, " or ")+"; a file may say it itself, by its key role")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if len(args) == 0 || args[0] != "check" && args[0] != "sample" {
		return fmt.Errorf("config: say what to do: check or sample; wardline config --help tells more")
	}
	if err := parse(f, args[1:], false); err != nil {
		return err
	}
	if *role != "" && !slices.Contains(configs.Roles, *role) {
		return fmt.Errorf("config: --role %s; give one of %s", *role, strings.Join(configs.Roles, ", "))
	}
	if args[0] == "sample" {
		raw, err := configs.Sample(*role)
		if err != nil {
			return fmt.Errorf("config sample: give --role %s", strings.Join(configs.Roles, " or --role "))
		}
		_, err = os.Stdout.Write(raw)
		return err
	}
	return checkConfig(*path, *role)
}

func checkConfig(path, role string) error {
	if path == "" {
		return fmt.Errorf("config check: --config FILE is needed")
	}
	file, err := configs.Open(path)
	if err != nil {
		return err
	}
	own := file.Text("role")
	switch {
	case own == "" && role == "":
		return fmt.Errorf("config check: %s does not say its role; give --role core or --role edge, or add the key role", path)
	case own != "" && role != "" && own != role:
		return file.Fault("role", fmt.Sprintf("is %q, but --role is %s", own, role), "leave out --role, or correct the file")
	case role == "":
		role = own
	}
	into, ok := emptyConfig(role)
	if !ok {
		return file.Fault("role", fmt.Sprintf("%q is no role", role), "write core or edge")
	}
	if err := file.Into(into); err != nil {
		return err
	}
	// A missing map of streets stops no start, but whoever checks wants to hear of it.
	if t, ok := into.(interface{ Tiles() string }); ok && t.Tiles() != "" {
		if err := streets.Check(t.Tiles()); err != nil {
			return file.Fault("tiles_file", err.Error(), "mend that file, or leave the key out; a start goes on without streets")
		}
	}
	fmt.Printf("%s: good, a file for wardline %s\n", path, role)
	return nil
}
