package fsm

import (
	"bytes"
	"encoding/json"
	"testing"

	"wardline/sync/identity"
	"wardline/sync/record"
)

// TestSnapshot_Devices_GoWithIt: the letter of their rows was once that of a node's
// own, which no snapshot carries; a node that joined let no device in.
func TestSnapshot_Devices_GoWithIt(t *testing.T) {
	m := open(t)
	data, err := json.Marshal(identity.Credential{ID: "kiosk-1", Ward: "26704", Kind: "kiosk", Revoked: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Body{ID: record.ID{7}, Kind: record.KindDevice, Origin: record.CoreOrigin, HLC: record.HLCAt(now), ReceivedAt: now, Payload: record.Payload{Data: data}}
	if r := do(t, m, Body(encode(t, b), nil)); r.Status != OK {
		t.Fatalf("%+v", r)
	}
	_, _, _, snapshot, err := m.OpenSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	var state bytes.Buffer
	if _, err := state.ReadFrom(snapshot); err != nil {
		t.Fatal(err)
	}
	other := open(t)
	if err := other.Install(&state); err != nil {
		t.Fatal(err)
	}
	if _, known, err := other.Device("kiosk-1"); err != nil || !known {
		t.Errorf("the node that joined does not know the device: %v", err)
	}
	one, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := other.Digest(); err != nil || one != two {
		t.Errorf("%+v %+v %v", one, two, err)
	}
}
