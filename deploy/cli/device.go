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

	"wardline/sync/identity"
)

const deviceUsage = `wardline device add ID --kind kiosk --ward 26704 WHERE
    prints the device's password, once; for an ID that is there, a new one
wardline device list WHERE
wardline device revoke ID WHERE    also a device of a configuration, or a phone
WHERE is --data DIR of a city to try, or --url URL --user USER --password-file FILE of an administrator`

// Device adds, lists and revokes kiosks, bridges, cameras and other devices.
func Device(ctx context.Context, args []string) error {
	f := flags("device", deviceUsage)
	kind := f.String("kind", "", "what it is, a `kind`: "+strings.Join(identity.DeviceKinds, ", "))
	ward := f.String("ward", "", "five digits, the `code` of the ward whose station it speaks to; left out: the city's own door")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if len(args) == 0 || args[0] != "add" && args[0] != "list" && args[0] != "revoke" {
		return errors.New("device: say what to do: add, list or revoke; wardline device --help tells more")
	}
	word, rest := args[0], args[1:]
	id := ""
	if word != "list" {
		if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
			return fmt.Errorf("device %s: name the device, such as kiosk-1", word)
		}
		id, rest = rest[0], rest[1:]
	}
	k, err := signInBy(ctx, f, rest)
	if err != nil {
		return err
	}
	if len(k.files) > 0 {
		return fmt.Errorf("device: %q is left over", k.files[0])
	}
	path := "/api/v1/devices/" + url.PathEscape(id)
	switch word {
	case "revoke":
		_, err := k.Call(ctx, "DELETE", path, nil)
		return err
	case "list":
		return listDevices(ctx, k)
	}
	ask, err := json.Marshal(map[string]string{"ward": *ward, "kind": *kind})
	if err != nil {
		return err
	}
	raw, err := k.Call(ctx, "PUT", path, ask)
	if err != nil {
		return fmt.Errorf("device: %w", err)
	}
	var made struct{ Password string }
	if err := json.Unmarshal(raw, &made); err != nil {
		return err
	}
	fmt.Println(made.Password)
	return nil
}

func listDevices(ctx context.Context, k *client) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for after := ""; ; {
		raw, err := k.Call(ctx, "GET", "/api/v1/devices?after="+url.QueryEscape(after), nil)
		if err != nil {
			return err
		}
		var page struct {
			Items []struct {
				ID, Ward, Kind string
				Revoked        bool
			}
			Next *string
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return err
		}
		for _, d := range page.Items {
			state := "good"
			if d.Revoked {
				state = "revoked"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.ID, d.Kind, d.Ward, state) // Flush says it
		}
		if page.Next == nil {
			return w.Flush()
		}
		after = *page.Next
	}
}
