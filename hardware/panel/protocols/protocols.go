// Package protocols is the list of alarm protocols that a line can be set to.
// A further protocol is a package beside the others and one case here.
package protocols

import (
	"fmt"

	"wardline/hardware/panel"
	"wardline/hardware/panel/button"
	"wardline/hardware/panel/surgard"
)

// New is a decoder for the profile's protocol. The profile is checked.
func New(p panel.Profile) (panel.Decoder, error) {
	var d *panel.Text
	var err error
	switch p.Protocol {
	case panel.SurGard:
		d, err = surgard.New(p)
	case panel.Button:
		d, err = button.New(p)
	default:
		err = &panel.ProfileError{Field: "protocol", Detail: fmt.Sprintf("%q is unknown", p.Protocol), Hint: fmt.Sprintf("use %q or %q", panel.SurGard, panel.Button)}
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}
