package trust

import (
	"encoding/json"
	"fmt"

	"wardline/sync/record"
)

// Op is what an entry says about machines; a closed list.
type Op string

// The words of Op.
const (
	// OpToken: an officer lets a machine enrol, once.
	OpToken Op = "token"
	// OpEnrol: a machine enrolled with a token.
	OpEnrol Op = "enrol"
	// OpRenew: it showed its resume secret and was given the next.
	OpRenew Op = "renew"
	// OpRevoke: an officer turned it away.
	OpRevoke Op = "revoke"
	// OpRotate: the next generation of the authority begins; the present one stays trusted.
	OpRotate Op = "rotate"
	// OpLogKey: the log is signed with its next key.
	OpLogKey Op = "log-key"
	// OpRetire: the generation before the present one is no longer trusted.
	OpRetire Op = "retire"
)

// Change is an entry about machines (record.KindMachine), as its payload's data.
// Secrets stand in it as SHA-256 sums alone.
type Change struct {
	Op   Op   `json:"op"`
	Name Name `json:"name,omitzero"`
	// Names are the host names and addresses that the machine's certificate says too.
	Names []string `json:"names,omitempty"`
	// Secret is the sum of the token's or of the resume secret that was shown.
	Secret record.Hash `json:"secret,omitzero"`
	// Next is the sum of the resume secret that the machine shows next.
	Next record.Hash `json:"next,omitzero"`
	// Key is the sum of the public key (KeySum) that the certificate is for.
	Key record.Hash `json:"key,omitzero"`
	// Epoch, of a core node's revocation, is the enrolment that is revoked, as far as
	// who revokes it knows; what was enrolled later may speak.
	Epoch uint32 `json:"epoch,omitempty"`
	// ForMS is how long a token is good, in milliseconds of the city's time.
	ForMS int64 `json:"for_ms,omitempty"`
	// Oldest and Current are the generations that are trusted; Roots their certificates.
	Oldest  uint32   `json:"oldest,omitempty"`
	Current uint32   `json:"current,omitempty"`
	Roots   [][]byte `json:"roots,omitempty"`
	// Log is the note by which the log's key names the next (audit.Signer.Succeed), its
	// Current-th.
	Log []byte `json:"log,omitempty"`
}

// MaxNames bounds the host names and addresses of one machine.
const MaxNames = 16

// Encode is the change as a payload's data.
func (c Change) Encode() ([]byte, error) { return json.Marshal(c) }

// DecodeChange reads a payload's data.
func DecodeChange(b []byte) (c Change, err error) {
	if err = json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("trust: an entry about machines: %w", err)
	}
	if len(c.Names) > MaxNames {
		return c, fmt.Errorf("trust: an entry about machines has %d names, at most %d", len(c.Names), MaxNames)
	}
	return c, nil
}
