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
	"time"

	"wardline/sync/record"
)

const eraseUsage = `wardline erase INCIDENT --reason request|order|mistake [--soon] WHERE
    erases what identifies people in a closed incident: nobody sees it from then on. It is complete when the
    core nodes and the stations have destroyed the wrapping keys of before, at the latest a week after they
    heard; --soon lets the keys turn at once
wardline erase list WHERE    how far the erasures are
WHERE is --data DIR of a city to try, or --url URL --user USER --password-file FILE of an administrator`

// Erase erases what identifies people in an incident, and says how far erasures are.
func Erase(ctx context.Context, args []string) error {
	f := flags("erase", eraseUsage)
	reason := f.String("reason", "", "why, a `word`: request (of the person), order (of a court or an authority), mistake")
	soon := f.Bool("soon", false, "let the wrapping keys turn at once")
	if wantsHelp(args) {
		f.Usage()
		return flag.ErrHelp
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return errors.New("erase: name the incident, or say list; wardline erase --help tells more")
	}
	k, err := signInBy(ctx, f, args[1:])
	if err != nil {
		return err
	}
	if len(k.files) > 0 {
		return fmt.Errorf("erase: %q is left over", k.files[0])
	}
	if args[0] == "list" {
		return listErasures(ctx, k)
	}
	incident, err := record.ParseID(args[0])
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	ask, err := json.Marshal(map[string]any{"id": record.NewID(time.Now()), "reason": *reason, "soon": *soon})
	if err != nil {
		return err
	}
	raw, err := k.Call(ctx, "POST", "/api/v1/incidents/"+url.PathEscape(incident.String())+"/erasure", ask)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	var e erasureRow
	if err := json.Unmarshal(raw, &e); err != nil {
		return err
	}
	fmt.Printf("%s: erased, city index %d; it is shown nowhere from now on. wardline erase list says when the keys are destroyed everywhere\n", e.Incident, e.Index)
	return nil
}

// erasureRow is an erasure as the interface gives it.
type erasureRow struct {
	Incident, Reason, By, At string
	Index                    uint64
	Complete                 *string
	Holders                  []struct {
		Name string
		At   *string
	}
}

// state is complete, or who is waited for.
func (e erasureRow) state() string {
	if e.Complete != nil {
		return "complete " + *e.Complete
	}
	var wait []string
	for _, h := range e.Holders {
		if h.At == nil {
			wait = append(wait, h.Name)
		}
	}
	return "waits for " + strings.Join(wait, ", ")
}

func listErasures(ctx context.Context, k *client) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INCIDENT\tASKED\tBY\tWHY\tSTATE")
	for path := "/api/v1/erasures?limit=200"; ; {
		raw, err := k.Call(ctx, "GET", path, nil)
		if err != nil {
			return fmt.Errorf("erase list: %w", err)
		}
		var list struct {
			Items []erasureRow
			Next  *uint64
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for _, e := range list.Items {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Incident, e.At, e.By, e.Reason, e.state())
		}
		if list.Next == nil {
			return w.Flush()
		}
		path = fmt.Sprintf("/api/v1/erasures?limit=200&before=%d", *list.Next)
	}
}
