package signon

import (
	"net"
	"net/url"

	"wardline/configs"
)

// Config is how officers log in by the city's provider. Without an issuer they do not.
type Config struct {
	// Issuer is the provider, exactly as it names itself.
	Issuer string `json:"issuer,omitempty" yaml:"issuer"`
	// ClientID is the city's name at the provider; the file holds its secret.
	ClientID         string `json:"client_id,omitempty" yaml:"client_id"`
	ClientSecretFile string `json:"client_secret_file,omitempty" yaml:"client_secret_file"`
	// RedirectURL is where the provider sends browsers back to: this interface, under
	// CallbackPath.
	RedirectURL string `json:"redirect_url,omitempty" yaml:"redirect_url"`
	// Claim is what names an account. Empty: preferred_username.
	Claim string `json:"claim,omitempty" yaml:"claim"`
	// Name stands on the button. Empty: the issuer's host.
	Name string `json:"name,omitempty" yaml:"name"`
	// CAFile holds what the provider's certificate is to be proven by, PEM. Empty: what
	// the system trusts.
	CAFile string `json:"ca_file,omitempty" yaml:"ca_file"`
}

// CallbackPath is the path of RedirectURL.
const CallbackPath = "/api/v1/oidc/callback"

// On says whether there is a provider.
func (c *Config) On() bool { return c.Issuer != "" }

// Default fills what is left out.
func (c Config) Default() Config {
	if c.Claim == "" {
		c.Claim = "preferred_username"
	}
	if u, err := url.Parse(c.Issuer); c.Name == "" && err == nil {
		c.Name = u.Host
	}
	return c
}

// Validate names every field that is wrong.
func (c *Config) Validate() error {
	var f configs.Faults
	if *c == (Config{}) {
		return nil
	}
	for _, x := range []struct{ field, url string }{{"issuer", c.Issuer}, {"redirect_url", c.RedirectURL}} {
		u, err := url.Parse(x.url)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			f.Add(x.field, "write it as https://HOST/PATH", "is no address of a page")
		case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
			f.Add(x.field, "use https: what is sent there lets people in", "is not https")
		case x.field == "redirect_url" && u.Path != CallbackPath:
			f.Add(x.field, "end it with "+CallbackPath, "leads to %q", u.Path)
		}
	}
	f.Empty("client_id", c.ClientID, "write the name that the provider gave the city")
	f.Empty("client_secret_file", c.ClientSecretFile, "name a file with the secret that the provider gave the city")
	return f.Err()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
