package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"wardline/deploy/city"
	"wardline/sync/identity"
)

// Wards imports ward boundaries:
// wardline wards import --data DIR FILE… for a city to try, or
// wardline wards import --url URL --user USER --password-file FILE FILE….
func Wards(ctx context.Context, args []string) error {
	if wantsHelp(args) {
		_, err := signIn(ctx, "wards import", args)
		return err
	}
	if len(args) == 0 || args[0] != "import" {
		return errors.New("wards: say what to do: wardline wards import FILE…; wardline wards --help lists the flags")
	}
	f := flags("wards import", importUsage("wards import"))
	keep := f.Bool("keep", false, "wards that the file does not have keep the boundaries that they have now")
	dry := f.Bool("preview", false, "say what would change, and change nothing")
	c, err := signInBy(ctx, f, args[1:])
	if err != nil {
		return err
	}
	path := "/api/v1/wards"
	if *dry {
		path += "/preview"
	}
	if *keep {
		path += "?keep=true"
	}
	return importFiles(ctx, c, "wards import", path)
}

// Points imports places of help (hydrants, clinics, shelters): wardline points import FILE.
func Points(ctx context.Context, args []string) error {
	if wantsHelp(args) {
		_, err := signIn(ctx, "points import", args)
		return err
	}
	if len(args) == 0 || args[0] != "import" {
		return errors.New("points: say what to do: wardline points import FILE; wardline points --help lists the flags")
	}
	c, err := signIn(ctx, "points import", args[1:])
	if err != nil {
		return err
	}
	return importFiles(ctx, c, "points import", "/api/v1/points")
}

// Rules imports routing rules, or shows those in effect, in the form in which they
// are imported: raise their version, change them, and import them.
func Rules(ctx context.Context, args []string) error {
	switch {
	case wantsHelp(args):
		_, err := signIn(ctx, "rules import|show", args)
		return err
	case len(args) > 0 && args[0] == "import":
		c, err := signIn(ctx, "rules import", args[1:])
		if err != nil {
			return err
		}
		return importFiles(ctx, c, "rules import", "/api/v1/rules")
	case len(args) > 0 && args[0] == "show":
		c, err := signIn(ctx, "rules show", args[1:])
		if err != nil {
			return err
		}
		out, err := c.Call(ctx, "GET", "/api/v1/rules", nil)
		if err != nil {
			return err
		}
		return printJSON(out)
	}
	return errors.New("rules: say what to do: wardline rules import FILE… or wardline rules show; wardline rules --help lists the flags")
}

func importFiles(ctx context.Context, c *client, name, path string) error {
	if len(c.files) == 0 {
		return fmt.Errorf("%s: name at least one file", name)
	}
	for _, file := range c.files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out, err := c.Call(ctx, "POST", path, raw)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Println(file)
		if err := printJSON(out); err != nil {
			return err
		}
	}
	return nil
}

func printJSON(raw []byte) error {
	var text bytes.Buffer
	if err := json.Indent(&text, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Println(text.String())
	return err
}

// client speaks to a core in an administrator's name.
type client struct {
	*city.Client
	files []string
}

func signIn(ctx context.Context, name string, args []string) (*client, error) {
	return signInBy(ctx, flags(name, importUsage(name)), args)
}

func importUsage(name string) string {
	return "wardline " + name + " [--data DIR | --url URL --user USER --password-file FILE] [FILE…]"
}

// signInBy adds the flags that say where and who to a command's own, and signs in.
func signInBy(ctx context.Context, f *flag.FlagSet, args []string) (*client, error) {
	return signInAs(ctx, f, args, identity.Administrator, importLimit)
}

// signInAs is signInBy for another role; limit is how long an answer may take, 0 for as long as it goes on.
func signInAs(ctx context.Context, f *flag.FlagSet, args []string, role identity.Role, limit time.Duration) (*client, error) {
	name := f.Name()
	data := f.String("data", "", "`directory` of a city to try; its city.json says the rest")
	url := f.String("url", "", "`address` of the core, such as http://127.0.0.1:8800")
	user := f.String("user", "", "`name` of an account that may: "+string(role))
	file := f.String("password-file", "", "`file` with its password")
	if err := parse(f, args, true); err != nil {
		return nil, err
	}
	if *data == "" && (*url == "" || *user == "" || *file == "") {
		return nil, fmt.Errorf("%s: give --data DIR, or --url, --user and --password-file", name)
	}
	password, err := account(*data, *file, role, url, user)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c, err := city.NewClient(*url, limit)
	if err != nil {
		return nil, err
	}
	return &client{c, f.Args()}, c.SignIn(ctx, *user, password)
}

// importLimit is how long one file may take to be committed.
const importLimit = 2 * time.Minute

// account finds who asks: in a city to try from its city.json.
func account(data, file string, role identity.Role, url, user *string) (password string, err error) {
	if data == "" {
		raw, err := os.ReadFile(file)
		return string(bytes.TrimSpace(raw)), err
	}
	var c struct {
		Command  struct{ URL string }
		Officers []struct{ User, Password, Role string }
	}
	raw, err := os.ReadFile(filepath.Join(data, "city.json"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("city.json: %w", err)
	}
	*url = c.Command.URL
	for _, o := range c.Officers {
		if o.Role == string(role) {
			*user, password = o.User, o.Password
		}
	}
	return password, nil
}
