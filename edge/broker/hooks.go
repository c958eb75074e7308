package broker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hooks joins mochi to our sessions. They run on the serving goroutine of the
// connection that they are about. What they rely on, read in mochi v2.7.9:
//
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
	case mqtt.OnPacketEncode, mqtt.OnACLCheck, mqtt.OnSubscribed, mqtt.OnPacketProcessed, mqtt.OnUnsubscribed:
		return true
	}
	return false
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
