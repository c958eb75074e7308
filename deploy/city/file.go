package city

import (
	"fmt"
	"net"
	"os"
	"strings"

	"wardline/edge/broker"
)

type coreJSON struct {
	ID   string `json:"id"`
	URL  string `json:"url"`
	TLS  string `json:"https"`
	Raft string `json:"raft"`
	Sync string `json:"sync"`
	PID  int    `json:"pid"`
}

type panelJSON struct {
	Device   string `json:"device"`
	Protocol string `json:"protocol"`
	Port     string `json:"port"`
}

type stationJSON struct {
	ID     string      `json:"id"`
	Ward   string      `json:"ward"`
	URL    string      `json:"url"`
	MQTT   string      `json:"mqtt"`
	MQTTWS string      `json:"mqtt_ws"`
	HTTPS  string      `json:"https"`
	MQTTS  string      `json:"mqtts"`
	MQTTSW string      `json:"mqtts_ws"`
	PID    int         `json:"pid"`
	Panels []panelJSON `json:"panels"`
}

type officerJSON struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Role     string `json:"role"`
	Unit     string `json:"unit"`
}

type deviceJSON struct {
	ID       string `json:"id"`
	Password string `json:"password"`
	Ward     string `json:"ward"`
	Kind     string `json:"kind"`
}

type fileJSON struct {
	Command struct {
		URL   string `json:"url"`
		HTTPS string `json:"https"`
	} `json:"command"`
	// CA is the file with what a client trusts over TLS, PEM.
	CA       string        `json:"ca"`
	Core     []coreJSON    `json:"core"`
	Stations []stationJSON `json:"stations"`
	Officers []officerJSON `json:"officers"`
	Devices  []deviceJSON  `json:"devices"`
}

func (c *City) pid(name string) int {
	for _, k := range c.kids {
		k.mu.Lock()
		cmd := k.cmd
		k.mu.Unlock()
		if k.name == name && cmd != nil {
			return cmd.Process.Pid
		}
	}
	return 0
}

// publish writes city.json.
func (c *City) publish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var f fileJSON
	f.Command.URL, f.Command.HTTPS, f.CA = "http://"+c.plan.Command, "https://"+c.plan.CommandS, c.authorityFile()
	for _, n := range c.plan.Cores {
		f.Core = append(f.Core, coreJSON{n.ID, "http://" + n.HTTP, "https://" + n.HTTPS, n.Raft, n.Sync, c.pid(n.ID)})
	}
	for _, s := range c.plan.Stations {
		id := "ward-" + string(s.Ward)
		st := stationJSON{ID: id, Ward: string(s.Ward), URL: "http://" + s.HTTP, MQTT: s.MQTT, MQTTWS: "ws://" + s.MQTTWS,
			HTTPS: "https://" + s.TLS.HTTP, MQTTS: s.TLS.MQTT, MQTTSW: "wss://" + s.TLS.MQTTWS, PID: c.pid(id)}
		for _, p := range s.Panels {
			st.Panels = append(st.Panels, panelJSON{p.Device, string(p.Protocol), c.scriptPort(p.Device)})
		}
		f.Stations = append(f.Stations, st)
	}
	for _, o := range c.plan.Officers {
		f.Officers = append(f.Officers, officerJSON{o.User, o.Password, string(o.Role), string(o.Unit)})
	}
	for _, d := range c.plan.Devices {
		f.Devices = append(f.Devices, deviceJSON{d.ID, d.Password, string(d.Ward), d.Kind})
	}
	return writeJSON(c.path("city.json"), f)
}

// publishIfReady writes city.json anew once it was written at all.
func (c *City) publishIfReady() error {
	if _, err := os.Stat(c.path("city.json")); err != nil {
		return nil
	}
	return c.publish()
}

// hello says what to open and how to send a report.
func (c *City) hello() {
	s := c.plan.Stations[0]
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe city stands. Open:\n  ward desk       http://%s   user %s, password %s\n", s.HTTP, c.plan.Officers[0].User, c.plan.Officers[0].Password)
	fmt.Fprintf(&b, "  command centre  http://%s   user %s, password %s\n", c.plan.Command, c.plan.Officers[2].User, c.plan.Officers[2].Password)
	if len(c.plan.Devices) > 0 {
		d := c.plan.Devices[0]
		host, port, _ := net.SplitHostPort(s.MQTT) // it listens there
		fmt.Fprintf(&b, "Send a report:\n  mosquitto_pub -h %[4]s -p %[5]s -i %[1]s -u %[1]s -P %[2]s -q 1 -t %[3]s -m '{\"id\":\"'$(cat /proc/sys/kernel/random/uuid)'\",\"category\":\"fire\",\"text\":\"cháy nhà\"}'\n",
			d.ID, d.Password, broker.ReportTopic(d.Ward, d.ID), host, port)
		fmt.Fprintf(&b, "  curl -u %s:%s http://%s/api/v1/reports -d '{\"id\":\"'$(cat /proc/sys/kernel/random/uuid)'\",\"category\":\"fire\",\"text\":\"cháy nhà\"}'\n", d.ID, d.Password, s.HTTP)
	}
	fmt.Fprintf(&b, "The same over TLS (trust %s):\n  https://%s, https://%s, MQTT %s\n", c.authorityFile(), s.TLS.HTTP, c.plan.CommandS, s.TLS.MQTT)
	fmt.Fprintf(&b, "Press the panic button (answered \"OK 1\" after the sync):\n  (printf 'PANIC button-1 1\\n' >&3; head -n 1 <&3) 3<>%s\n", c.scriptPort("button-1"))
	fmt.Fprintf(&b, "Cut and heal the line:\n  %[1]s city --data %[2]s --cut=blackhole\n  %[1]s city --data %[2]s --heal\nEverything else stands in %[2]s/city.json\n\n", c.o.Binary, c.o.Dir)
	_, _ = c.o.Out.Write([]byte(b.String())) // whoever does not read it has city.json
}
