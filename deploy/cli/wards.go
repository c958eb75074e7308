package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"time"
)

// Wards imports ward boundaries:
// wardline wards import --data DIR FILE… for a city to try, or
// wardline wards import --url URL --user USER --password-file FILE FILE….
func Wards(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "import" {
		return errors.New("wardline wards import [--data DIR | --url URL --user USER --password-file FILE] FILE…")
	}
	f := flag.NewFlagSet("wards import", flag.ContinueOnError)
	data := f.String("data", "", "directory of a city to try")
	url := f.String("url", "", "address of the core")
	user := f.String("user", "", "an administrator")
	file := f.String("password-file", "", "file with the administrator's password")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("wards import: name at least one GeoJSON file")
	}
	password, err := administrator(*data, *file, url, user)
	if err != nil {
		return fmt.Errorf("wards import: %w", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := &http.Client{Jar: jar, Timeout: 2 * time.Minute}
	login, err := json.Marshal(map[string]string{"user": *user, "password": password})
	if err != nil {
		return err
	}
	if _, err := post(ctx, c, *url+"/api/v1/session", login); err != nil {
		return err
	}
	for _, path := range f.Args() {
		raw, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("wards import: %w", err)
		}
		out, err := post(ctx, c, *url+"/api/v1/wards", raw)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		var text bytes.Buffer
		if err := json.Indent(&text, out, "", "  "); err != nil {
			return err
		}
		fmt.Printf("%s\n%s", path, text.String())
	}
	return nil
}

// administrator finds who imports: in a city to try from its city.json.
func administrator(data, file string, url, user *string) (password string, err error) {
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
		if o.Role == "administrator" {
			*user, password = o.User, o.Password
		}
	}
	return password, nil
}

func post(ctx context.Context, c *http.Client, url string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	a, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err := errors.Join(err, a.Body.Close()); err != nil {
		return nil, err
	}
	if a.StatusCode >= 300 {
		var p struct{ Detail string }
		if json.Unmarshal(out, &p) == nil && p.Detail != "" {
			return nil, errors.New(p.Detail)
		}
		return nil, fmt.Errorf("%s: %s", url, a.Status)
	}
	return out, nil
}
