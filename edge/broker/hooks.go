package broker

import (
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hooks joins mochi to our sessions. They run on the serving goroutine of the
// connection that they are about. What they rely on, read in mochi v2.7.9:
//
//   - OnConnect comes before any other state is made, and an error from it ends the
//     connection, without CONNACK.
//   - OnSessionEstablish comes before the client is looked up by its id, so that an
//     id of its own for each connection leaves sessions and take-overs to us.
//   - OnPacketEncode sees CONNACK.
//   - OnSubscribed has the granted codes; SUBACK is written before OnPacketProcessed.
type hooks struct {
	mqtt.HookBase
	b *Broker
}

// ID names the hook.
func (h *hooks) ID() string { return "wardline" }

// Provides lists the events that are wanted.
func (h *hooks) Provides(event byte) bool {
	switch event {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnPacketEncode, mqtt.OnACLCheck, mqtt.OnSubscribed, mqtt.OnPacketProcessed, mqtt.OnUnsubscribed:
		return true
	}
	return false
}

// OnConnect decides whether the client may come in, with the right code; mochi
// alone would say "bad user name or password" whatever is wrong.
func (h *hooks) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	c := cl.Net.Conn.(*conn)
	c.pass.check()
	c.client, c.version, c.in.version = cl, pk.ProtocolVersion, pk.ProtocolVersion
	if code := h.admit(c, &pk); code != packets.CodeSuccess {
		h.b.stats.refused.Add(1)
		if c.version < 5 && code == packets.ErrNotAuthorized {
			code = packets.Err3NotAuthorized
		}
		_ = h.b.server.SendConnack(cl, code, false, nil) // the connection ends anyway
		return code
	}
	longest := uint16(h.b.cfg.MaxKeepAlive / time.Second)
	if k := cl.State.Keepalive; k == 0 || k > longest {
		cl.State.Keepalive = longest
		cl.State.ServerKeepalive = c.version == 5
	}
	return nil
}

func (h *hooks) admit(c *conn, pk *packets.Packet) packets.Code {
	if pk.Properties.AuthenticationMethod != "" {
		return packets.ErrBadAuthenticationMethod
	}
	id := pk.Connect.ClientIdentifier
	d, ok := h.check(c, pk)
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
	case len(pk.Connect.WillPayload) > h.b.cfg.MaxStatus:
		return packets.ErrPacketTooLarge
	}
	c.will = &will{payload: pk.Connect.WillPayload, retain: pk.Connect.WillRetain,
		delay: time.Duration(pk.Connect.WillProperties.WillDelayInterval) * time.Second}
	return packets.CodeSuccess
}

// check asks who it is, maxChecks at once.
func (h *hooks) check(c *conn, pk *packets.Packet) (Device, bool) {
	h.b.checks <- struct{}{}
	defer func() { <-h.b.checks }()
	return h.b.auth.Authenticate([]byte(pk.Connect.ClientIdentifier), pk.Connect.Username, pk.Connect.Password, c.remote)
}

// OnConnectAuthenticate says what OnConnect found.
func (h *hooks) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	return cl.Net.Conn.(*conn).dev.ID != ""
}

// OnSessionEstablish gives the connection its session.
func (h *hooks) OnSessionEstablish(cl *mqtt.Client, pk packets.Packet) {
	c := cl.Net.Conn.(*conn)
	props := &cl.Properties.Props
	c.maxPacket = props.MaximumPacketSize
	c.noReasons = props.RequestProblemInfoFlag && props.RequestProblemInfo == 0
	c.sendMax = sendWindow
	if n := int(props.ReceiveMaximum); n > 0 {
		c.sendMax = min(n, sendWindow)
	}
	cl.ID = h.b.uniqueID()
	cl.Properties.Will = mqtt.Will{} // ours to publish
	c.present = h.b.attach(c, pk.Connect.Clean, h.b.life(c))
	for _, filter := range c.sess.filters() { // so that mochi knows them when they are taken back
		s := packets.Subscription{Filter: filter}
		h.b.server.Topics.Subscribe(cl.ID, s)
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

// OnPacketEncode completes CONNACK.
func (h *hooks) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || pk.FixedHeader.Type != packets.Connack || pk.ReasonCode != 0 {
		return pk
	}
	pk.SessionPresent = c.present
	pk.Properties.MaximumPacketSize = uint32(h.b.cfg.MaxDrain)
	pk.Properties.SharedSubAvailableFlag, pk.Properties.SharedSubAvailable = true, 0
	pk.Properties.SubIDAvailableFlag, pk.Properties.SubIDAvailable = true, 0
	return pk
}

// OnSessionEstablished comes after CONNACK.
func (h *hooks) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	c := cl.Net.Conn.(*conn)
	c.pass.leave()
	c.idle = time.Duration(cl.State.Keepalive) * time.Second * 3 / 2 // [MQTT-3.1.2-24]
	c.sess.mu.Lock()
	c.sess.ready = c.sess.conn == c
	c.sess.mu.Unlock()
	c.wakeUp()
}

// OnACLCheck is asked for filters only: a PUBLISH never comes here.
func (h *hooks) OnACLCheck(cl *mqtt.Client, filter string, write bool) bool {
	return !write && maySubscribe(cl.Net.Conn.(*conn).dev, filter)
}

// OnSubscribed notes what was granted.
func (h *hooks) OnSubscribed(cl *mqtt.Client, pk packets.Packet, codes []byte) {
	c := cl.Net.Conn.(*conn)
	c.fresh = c.fresh[:0]
	for i, f := range pk.Filters {
		if codes[i] >= packets.ErrUnspecifiedError.Code {
			continue
		}
		isNew := c.sess.subscribe(c, f.Filter, sub{qos: min(f.Qos, 1), noLocal: f.NoLocal, asRetain: f.RetainAsPublished})
		if f.RetainHandling == 0 || f.RetainHandling == 1 && isNew {
			c.fresh = append(c.fresh, f.Filter)
		}
	}
}

// OnPacketProcessed shows the retained status and what the ward is to know after SUBACK.
func (h *hooks) OnPacketProcessed(cl *mqtt.Client, pk packets.Packet, err error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || err != nil || pk.FixedHeader.Type != packets.Subscribe || len(c.fresh) == 0 {
		return
	}
	h.b.mu.Lock()
	k, ok := h.b.retained[c.statuses]
	h.b.mu.Unlock()
	if ok {
		c.sess.show(h.b, c, c.fresh, k.payload, true)
	}
	c.sess.remind(h.b, c, c.fresh)
	c.wakeUp()
}

// OnUnsubscribed forgets subscriptions.
func (h *hooks) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	c := cl.Net.Conn.(*conn)
	for _, f := range pk.Filters {
		c.sess.unsubscribe(c, f.Filter)
	}
}
