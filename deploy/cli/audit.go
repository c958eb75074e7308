package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wardline/deploy/city"
	"wardline/sync/audit"
	"wardline/sync/identity"
	"wardline/sync/record"
)

const auditUsage = `wardline audit export WHERE [--incident ID] --out FILE
    the city's whole log as one file; with --incident one incident as a ZIP file that people can open
wardline audit verify FILE [--key KEY] [--checkpoint FILE]…
    whether an exported file is whole, from it alone and offline; names the first entry that is wrong
wardline audit key WHERE          the key with which the city's log is signed; publish its fingerprint
wardline audit rotate-key WHERE   the log's next key signs from now on, and the present one too for 35 days (an administrator's order);
    an export leads from the fingerprint that was published before to the new one
wardline audit checkpoint WHERE   the latest signed checkpoint, to keep: a later export must have grown out of it
WHERE is --data DIR of a city to try, or --url URL --user USER --password-file FILE of an auditor`

// Audit exports the city's log and verifies exports.
func Audit(ctx context.Context, args []string) error {
	word, rest := "", args
	if len(args) > 0 {
		word, rest = args[0], args[1:]
	}
	switch word {
	case "export":
		return auditExport(ctx, rest)
	case "verify":
		return auditVerify(ctx, rest, os.Stdout)
	case "rotate-key":
		return rotateLogKey(ctx, rest)
	case "key", "checkpoint":
		c, err := signInAs(ctx, flags("audit "+word, auditUsage), rest, identity.Auditor, importLimit)
		if err != nil {
			return err
		}
		raw, err := c.Call(ctx, "GET", "/api/v1/log/"+word, nil)
		if err != nil {
			return fmt.Errorf("audit %s: %w", word, err)
		}
		if word == "key" {
			return printJSON(raw)
		}
		_, err = os.Stdout.Write(raw)
		return err
	}
	if wantsHelp(args) {
		flags("audit", auditUsage).Usage()
		return flag.ErrHelp
	}
	return errors.New("audit: say what to do: export, verify, key, rotate-key or checkpoint; wardline audit --help tells more")
}

// rotateLogKey lets the log be signed with its next key, and prints it.
func rotateLogKey(ctx context.Context, args []string) error {
	k, err := signInBy(ctx, flags("audit rotate-key", auditUsage), args)
	if err != nil {
		return err
	}
	if len(k.files) > 0 {
		return fmt.Errorf("audit rotate-key: %q is left over", k.files[0])
	}
	if _, err := k.Call(ctx, "POST", "/api/v1/machines", []byte(`{"op":"log-key"}`)); err != nil {
		return fmt.Errorf("audit rotate-key: %w", err)
	}
	fmt.Fprintln(os.Stderr, "the log has another key; publish the fingerprint that wardline audit key prints now")
	return nil
}

func auditExport(ctx context.Context, args []string) error {
	f := flags("audit export", auditUsage)
	out := f.String("out", "", "write this `file`")
	incident := f.String("incident", "", "`id` of the incident; without it, the whole log")
	c, err := signInAs(ctx, f, args, identity.Auditor, 0)
	switch {
	case err != nil:
		return err
	case len(c.files) > 0:
		return fmt.Errorf("audit export: %q is left over", c.files[0])
	case *out == "":
		return errors.New("audit export: --out FILE is needed")
	}
	path := "/api/v1/log/export"
	if *incident != "" {
		id, err := record.ParseID(*incident)
		if err != nil {
			return fmt.Errorf("audit export: --incident: %w", err)
		}
		path = "/api/v1/incidents/" + id.String() + "/evidence"
	}
	var key struct{ Key string }
	raw, err := c.Call(ctx, "GET", "/api/v1/log/key", nil)
	if err == nil {
		err = json.Unmarshal(raw, &key)
	}
	if err != nil {
		return fmt.Errorf("audit export: %w", err)
	}
	if err := download(ctx, c.Client, path, *out); err != nil {
		return fmt.Errorf("audit export: %w", err)
	}
	fmt.Println("written:", *out)
	// A copy that is not whole is to be known now, not at court.
	pin, err := audit.ParsePin(key.Key)
	if err != nil {
		return fmt.Errorf("audit export: %w", err)
	}
	return prove(ctx, *out, audit.Options{Pin: pin}, "the key is the one that this city's core gives", os.Stdout)
}

// download writes an answer to a file, which stands under its name only when it is
// complete and synced.
func download(ctx context.Context, c *city.Client, path, name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".export-*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = c.Download(ctx, path, w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxKeyFile bounds a file with a key or a checkpoint, in bytes.
const maxKeyFile = 4 << 10

// given is a flag's value: what stands in a file of that name, if there is one.
func given(v string) (string, error) {
	f, err := os.Open(v)
	if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(v, "+") {
		return v, nil
	}
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	return string(raw), errors.Join(err, f.Close())
}

// auditVerify says what an export proves; an error is what is wrong with it.
func auditVerify(ctx context.Context, args []string, out io.Writer) error {
	f := flags("audit verify", auditUsage)
	key := f.String("key", "", "the log's `key` or its fingerprint, as the city published it, or a file with one of them")
	var o audit.Options
	f.Func("checkpoint", "a `file` with a checkpoint that was kept earlier; any number of them", func(v string) error {
		if _, err := os.Stat(v); err != nil {
			return err
		}
		text, err := given(v)
		o.Earlier = append(o.Earlier, []byte(text))
		return err
	})
	var files []string
	for { // the file may stand before the flags
		if err := parse(f, args, true); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		files, args = append(files, f.Arg(0)), f.Args()[1:]
	}
	if len(files) != 1 {
		return errors.New("audit verify: name one file, as wardline audit export wrote it")
	}
	if *key != "" {
		text, err := given(*key)
		if err == nil {
			o.Pin, err = audit.ParsePin(text)
		}
		if err != nil {
			return fmt.Errorf("audit verify: --key: %w", err)
		}
	}
	return prove(ctx, files[0], o, "the key is the one that you gave", out)
}

// prove verifies a file and says what it proves; whose says where the key is from.
func prove(ctx context.Context, file string, o audit.Options, whose string, out io.Writer) error {
	in, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("audit verify: %w", err)
	}
	began := time.Now()
	res, err := audit.VerifyFile(ctx, in, o)
	if err := errors.Join(err, in.Close()); err != nil {
		var fault *audit.Fault
		if errors.As(err, &fault) {
			return fmt.Errorf("audit verify: %s is NOT whole: %w", file, err)
		}
		return fmt.Errorf("audit verify: %s: %w", file, err)
	}
	_, err = io.WriteString(out, said(file, res, whose, time.Since(began)))
	return err
}

// said is what was proven, for people.
func said(file string, r *audit.Result, whose string, took time.Duration) string {
	var b strings.Builder
	if r.Incident.Zero() {
		fmt.Fprintf(&b, "%s: the whole log, %d entries in %d chains\n", file, r.Entries, r.Chains)
	} else {
		fmt.Fprintf(&b, "%s: incident %s, %d entries\n", file, r.Incident, r.Entries)
	}
	c := r.Checkpoint
	fmt.Fprintf(&b, "  proven by   the checkpoint of %d entries, root %x, signed %s\n", c.Size, c.Root[:], time.UnixMilli(c.At).UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "  and         %d receipts, %d checkpoints", r.Receipts, r.Checkpoints)
	if r.Files > 0 {
		fmt.Fprintf(&b, ", a signed manifest of %d files", r.Files)
	}
	fmt.Fprintf(&b, "\n  signed with %s\n", r.Key.Fingerprint())
	if r.Since > 0 {
		fmt.Fprintf(&b, "  which       follows the one that you know, %d keys later, each named by the one before\n", r.Since)
	}
	for _, n := range r.Notices {
		fmt.Fprintf(&b, "  note        %s\n", n)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  note        and %d more like these\n", r.More)
	}
	if r.Pinned {
		fmt.Fprintf(&b, "whole: nothing was changed, removed, moved or added; %s (%s)\n", whose, took.Round(time.Millisecond))
	} else {
		fmt.Fprintf(&b, "whole in itself (%s). WHOSE key that is was not checked: compare its fingerprint above with the one that the city published, or give it: --key FINGERPRINT\n", took.Round(time.Millisecond))
	}
	return b.String()
}
