// Package peer runs the systems that ours is measured beside, each with its
// data synced as far as it can be, on loopback, in a process of its own.
package peer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/embed"
)

// Versions of the peers that are compiled in.
var NATSVersion, EtcdVersion = server.VERSION, version.Version

// Main runs the peer that args name until ctx ends.
func Main(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("peer: name one: nats or etcd")
	}
	switch args[0] {
	case "nats":
		return runNATS(ctx, args[1:])
	case "etcd":
		return runEtcd(ctx, args[1:])
	}
	return fmt.Errorf("peer: %q is not one; there are nats and etcd", args[0])
}

// runNATS runs one NATS server: JetStream with a sync after every write, and
// either MQTT, or a place in a cluster, or a leaf of one.
func runNATS(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("peer nats", flag.ContinueOnError)
	conf := f.String("config", "", "configuration file of the server")
	if err := f.Parse(args); err != nil {
		return err
	}
	o, err := server.ProcessConfigFile(*conf)
	if err != nil {
		return err
	}
	o.NoSigs = true
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// NATSConfig writes the configuration of a server and gives the file's name.
// mqtt is an address for MQTT, or empty; more is put in as it is.
func NATSConfig(dir, name, addr, mqtt, more string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %s\nlisten: %q\nlog_file: %q\njetstream {\n  store_dir: %q\n  sync_interval: always\n  max_file_store: 32GB\n%s}\n",
		name, addr, filepath.Join(dir, name+".log"), filepath.Join(dir, name), domainOf(more))
	if mqtt != "" {
		// The default of 1,024 unacknowledged messages does not bind at 16 × 32.
		fmt.Fprintf(&b, "mqtt {\n  listen: %q\n}\n", mqtt)
	}
	b.WriteString(strings.TrimPrefix(more, domainOf(more)))
	file := filepath.Join(dir, name+".conf")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// domainOf takes a first line "domain: x", which belongs to JetStream's part.
func domainOf(more string) string {
	if line, _, ok := strings.Cut(more, "\n"); ok && strings.HasPrefix(line, "domain:") {
		return line + "\n"
	}
	return ""
}

// runEtcd runs one member of an etcd cluster, with its defaults: every write is
// synced by a majority before it is answered.
func runEtcd(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("peer etcd", flag.ContinueOnError)
	name := f.String("name", "", "name of the member")
	dir := f.String("dir", "", "its directory")
	client := f.String("client", "", "address for clients")
	member := f.String("peer", "", "address for members")
	cluster := f.String("cluster", "", "name=URL of all members")
	if err := f.Parse(args); err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster, c.LogLevel = *name, *dir, *cluster, "error"
	at := func(addr string) []url.URL { return []url.URL{{Scheme: "http", Host: addr}} }
	c.ListenClientUrls, c.AdvertiseClientUrls = at(*client), at(*client)
	c.ListenPeerUrls, c.AdvertisePeerUrls = at(*member), at(*member)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(time.Minute):
		return errors.New("peer: etcd did not become ready in a minute")
	}
	select {
	case err := <-e.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

// MosquittoConfig writes the configuration of a Mosquitto that stores nothing
// on disk and takes anyone, and gives the file's name.
func MosquittoConfig(dir, addr string) (string, error) {
	host, port, ok := strings.Cut(addr, ":")
	if !ok {
		return "", fmt.Errorf("peer: address %q", addr)
	}
	file := filepath.Join(dir, "mosquitto.conf")
	return file, os.WriteFile(file, fmt.Appendf(nil, "listener %s %s\nallow_anonymous true\npersistence false\nlog_dest none\nset_tcp_nodelay true\n", port, host), 0o600)
}
