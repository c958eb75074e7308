package broker

import (
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// logIn reads CONNECT and answers it. It does what mochi's EstablishConnection does up to the
// loop in which it reads (v2.7.9, attachClient), and leaves out what is ours: its clients by
// id, wills, and the goroutine and the queue that it gives each client for messages of its own.
func (b *Broker) logIn(c *conn, network string) error {
	if err := c.packet(); err != nil {
		return c.broken(err)
	}
	cl := b.server.NewClient(c, network, "", false)
	pk, err := decode(cl)
	if err != nil {
		return err
	}
	cl.ParseConnect(network, pk)
	c.pass.check()
	c.client, c.version, c.in.version = cl, pk.ProtocolVersion, pk.ProtocolVersion
	if code := b.letIn(c, &pk); code != packets.CodeSuccess {
		if code == packets.ErrNotAuthorized && c.version < 5 {
			code = packets.Err3NotAuthorized
		}
		_ = b.server.SendConnack(cl, code, false, nil) // the connection ends anyway
		return code
	}
	c.online = true
	longest := uint16(b.cfg.MaxKeepAlive / time.Second)
	if k := cl.State.Keepalive; k == 0 || k > longest {
		cl.State.Keepalive = longest
		cl.State.ServerKeepalive = c.version == 5
	}
	b.takeSession(c, &pk)
	if err := b.server.SendConnack(cl, packets.CodeSuccess, c.present, nil); err != nil {
		return err
	}
	c.pass.leave()
	c.idle = time.Duration(cl.State.Keepalive) * time.Second * 3 / 2 // [MQTT-3.1.2-24]
	c.sess.mu.Lock()
	c.sess.ready = c.sess.conn == c
	c.sess.mu.Unlock()
	c.wakeUp()
	return nil
}

// decode reads the packet that packet left.
func decode(cl *mqtt.Client) (packets.Packet, error) {
	var h packets.FixedHeader
	if err := cl.ReadFixedHeader(&h); err != nil {
		return packets.Packet{}, err
	}
	return cl.ReadPacket(&h)
}

// work reads what a client sends after it logged in, until the connection ends.
func (b *Broker) work(c *conn) error {
	for !c.client.Closed() {
		if err := c.packet(); err != nil {
			return c.broken(err)
		}
		if len(c.rest) == 0 {
			continue
		}
		// In a goroutine of its own, as the log-in: mochi's frames would double the stack that each
		// device keeps from then on. It is SUBSCRIBE once, and DISCONNECT.
		done := make(chan error, 1)
		go func() { done <- b.contain(c, func() error { return b.control(c) }) }()
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

// control has mochi handle a packet that is no PUBLISH, acknowledgement or PINGREQ.
func (b *Broker) control(c *conn) error {
	pk, err := decode(c.client)
	if err != nil {
		return err
	}
	if err = b.server.InjectPacket(c.client, pk); err == nil {
		return nil
	}
	if code, ok := isProtocol(err); ok && c.version == 5 && code.Code >= packets.ErrUnspecifiedError.Code {
		_ = b.server.DisconnectClient(c.client, code) // the connection ends anyway
	}
	return err
}

// letIn decides whether the client may come in, and says why not.
func (b *Broker) letIn(c *conn, pk *packets.Packet) packets.Code {
	if b.online.Add(1) > int64(b.cfg.MaxClients) {
		b.online.Add(-1)
		if c.version < 5 {
			return packets.ErrServerUnavailable
		}
		return packets.ErrServerBusy
	}
	code := valid(c, pk)
	if code == packets.CodeSuccess {
		if code = b.know(c, pk); code != packets.CodeSuccess {
			b.stats.refused.Add(1)
		}
	}
	if code != packets.CodeSuccess {
		b.online.Add(-1)
	}
	return code
}

// valid says what is wrong with a CONNECT, whoever sent it.
func valid(c *conn, pk *packets.Packet) packets.Code {
	if code := pk.ConnectValidate(); code != packets.CodeSuccess { // [MQTT-3.1.4-1]
		return code
	}
	switch {
	case c.version < 5 && !pk.Connect.Clean && pk.Connect.ClientIdentifier == "":
		return packets.ErrUnspecifiedError // [MQTT-3.1.3-8]
	case c.version < 4:
		return packets.ErrUnsupportedProtocolVersion // [MQTT-3.1.2-2]
	}
	return packets.CodeSuccess
}

// know finds out which device it is.
func (b *Broker) know(c *conn, pk *packets.Packet) packets.Code {
	if pk.Properties.AuthenticationMethod != "" {
		return packets.ErrBadAuthenticationMethod
	}
	id := pk.Connect.ClientIdentifier
	d, ok := b.check(c, pk)
	if !ok || d.ID != id || d.ID != string(pk.Connect.Username) || !safeDeviceID(d.ID) || !d.Ward.Valid() {
		return packets.ErrBadUsernameOrPassword
	}
	c.dev, c.reports, c.statuses = d, ReportTopic(d.Ward, d.ID), StatusTopic(d.Ward, d.ID)
	if !pk.Connect.WillFlag {
		return packets.CodeSuccess
	}
	switch {
	case pk.Connect.WillTopic != c.statuses:
		return packets.ErrNotAuthorized
	case len(pk.Connect.WillPayload) > b.cfg.MaxStatus:
		return packets.ErrPacketTooLarge
	}
	c.will = &will{payload: pk.Connect.WillPayload, retain: pk.Connect.WillRetain,
		delay: time.Duration(pk.Connect.WillProperties.WillDelayInterval) * time.Second}
	return packets.CodeSuccess
}

// check asks who it is, maxChecks at once.
func (b *Broker) check(c *conn, pk *packets.Packet) (Device, bool) {
	b.checks <- struct{}{}
	defer func() { <-b.checks }()
	return b.auth.Authenticate([]byte(pk.Connect.ClientIdentifier), pk.Connect.Username, pk.Connect.Password, c.remote)
}

// takeSession gives the connection its session.
func (b *Broker) takeSession(c *conn, pk *packets.Packet) {
	cl := c.client
	props := &cl.Properties.Props
	c.maxPacket = props.MaximumPacketSize
	c.noReasons = props.RequestProblemInfoFlag && props.RequestProblemInfo == 0
	c.sendMax = sendWindow
	if n := int(props.ReceiveMaximum); n > 0 {
		c.sendMax = min(n, sendWindow)
	}
	cl.ID = b.uniqueID()
	cl.Properties.Will = mqtt.Will{} // ours to publish
	c.present = b.attach(c, pk.Connect.Clean, b.life(c))
	for _, filter := range c.sess.filters() { // so that mochi knows them when they are taken back
		s := packets.Subscription{Filter: filter}
		b.server.Topics.Subscribe(cl.ID, s)
		cl.State.Subscriptions.Add(filter, s)
	}
}

// life is how long the session of a connection is kept without it.
func (b *Broker) life(c *conn) time.Duration {
	if c.version < 5 {
		if c.client.Properties.Clean {
			return 0
		}
		return b.cfg.SessionLife
	}
	d := time.Duration(c.client.Properties.Props.SessionExpiryInterval) * time.Second
	return min(d, b.cfg.SessionLife)
}
