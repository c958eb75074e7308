package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
)

const userUsage = `wardline user add NAME --role ROLE --unit UNIT --reason TEXT WHERE
    makes an account and prints its password, which its officer changes at the first log-in
    with --oidc: for who logs in by OpenID Connect alone; it has no password that anybody knows
wardline user list WHERE
wardline user change NAME [--role ROLE] [--unit UNIT] --reason TEXT WHERE
wardline user passwd NAME --reason TEXT WHERE    a new password, printed; the account is enabled again
wardline user disable NAME --reason TEXT WHERE   it is out at the core at once, at a station when that hears
wardline user sessions NAME [--end ID|all] WHERE   the sessions that go on at the city, or at a station by its --url;
    --end all at the city also ends those at the stations, when they hear
ROLE is ward_officer, department_officer, command_officer, supervisor, administrator or auditor; UNIT is
ward/ and the ward's code, a department such as PC07, or command.
WHERE is --data DIR of a city to try, or --url URL --user USER --password-file FILE of an administrator`

// User makes and changes officers' accounts.
func User(ctx context.Context, args []string) error {
	f := flags("user", userUsage)
	role := f.String("role", "", "the account's `role`")
	unit := f.String("unit", "", "the account's `unit`")
	reason := f.String("reason", "", "why, in a few `words`; they stand in the city's log")
	oidc := f.Bool("oidc", false, "with add and passwd: the officer logs in by OpenID Connect alone; the password is random, and nobody is told it")
	end := f.String("end", "", "end the session with this `id`, or all")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if len(args) == 0 {
		return errors.New("user: say add, list, change, passwd, disable or sessions; wardline user --help tells more")
	}
	word, rest := args[0], args[1:]
	name := ""
	if word != "list" {
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return fmt.Errorf("user %s: name the account, such as wardline user %s lan.nguyen …", word, word)
		}
		name, rest = rest[0], rest[1:]
	}
	ask := map[string]any{}
	method, path := "POST", "/api/v1/users"
	switch word {
	case "list":
		method = "GET"
	case "add":
		ask["user"] = name
	case "change", "disable":
		method, path = "PATCH", path+"/"+url.PathEscape(name)
	case "passwd":
		path += "/" + url.PathEscape(name) + "/password"
	case "sessions":
	default:
		return fmt.Errorf("user: %q is none of add, list, change, passwd, disable, sessions", word)
	}
	k, err := signInBy(ctx, f, rest)
	if err != nil {
		return err
	}
	if len(k.files) > 0 {
		return fmt.Errorf("user: %q is left over", k.files[0])
	}
	if word == "list" {
		return listUsers(ctx, k)
	}
	if word == "sessions" {
		return sessions(ctx, k, path+"/"+url.PathEscape(name)+"/sessions", *end)
	}
	for key, v := range map[string]string{"role": *role, "unit": *unit} {
		if v != "" {
			ask[key] = v
		}
	}
	if word == "disable" {
		ask["disabled"] = true
	}
	if *oidc {
		if word != "add" && word != "passwd" {
			return fmt.Errorf("user %s: --oidc goes with add and passwd", word)
		}
		ask["must_change"] = false // who comes by the provider has no password to choose another for
	}
	ask["reason"] = *reason
	raw, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	out, err := k.Call(ctx, method, path, raw)
	if err != nil {
		return fmt.Errorf("user %s: %w", word, err)
	}
	var u userRow
	if err := json.Unmarshal(out, &u); err != nil {
		return err
	}
	fmt.Printf("%s: %s of %s%s\n", u.User, u.Role, u.Unit, u.state())
	if *oidc {
		fmt.Println("it logs in by OpenID Connect, at the core; no station lets it in, because it has no password that anybody knows")
		return nil
	}
	if u.Password != "" {
		fmt.Printf("password, shown this once: %s\n", u.Password)
	}
	return nil
}

// userRow is an account as the interface gives it.
type userRow struct {
	User, Role, Unit, By, At, Reason, Password string
	Disabled                                   bool
	MustChange                                 bool `json:"must_change"`
}

func (u userRow) state() string {
	switch {
	case u.Disabled:
		return ", disabled"
	case u.MustChange:
		return ", must choose a new password"
	}
	return ""
}

func listUsers(ctx context.Context, k *client) error {
	raw, err := k.Call(ctx, "GET", "/api/v1/users", nil)
	if err != nil {
		return fmt.Errorf("user list: %w", err)
	}
	var list struct{ Items []userRow }
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tUNIT\tSINCE\tBY\tWHY")
	for _, u := range list.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s%s\n", u.User, u.Role, u.Unit, u.At, u.By, u.Reason, u.state())
	}
	return w.Flush()
}

// sessions lists the sessions of an account, or ends them.
func sessions(ctx context.Context, k *client, path, end string) error {
	if end != "" {
		if end != "all" {
			path += "/" + url.PathEscape(end)
		}
		_, err := k.Call(ctx, "DELETE", path, nil)
		if err == nil {
			fmt.Println("ended")
		}
		return err
	}
	raw, err := k.Call(ctx, "GET", path, nil)
	if err != nil {
		return fmt.Errorf("user sessions: %w", err)
	}
	var list struct {
		Items []struct{ ID, Began, Seen, From, With string }
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tBEGAN\tUSED LAST\tFROM\tWITH")
	for _, x := range list.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID, x.Began, x.Seen, x.From, x.With)
	}
	return w.Flush()
}
