package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"wardline/sync/record"
)

// ProtoEnrol is the protocol by which a machine gets its certificate (ALPN, RFC
// 7301): one request and one answer, each a JSON object, over TLS in which the city alone
// is verified. What the machine has to show is in the request.
const ProtoEnrol = "wardline-enrol/1"

// Limits of an enrolment.
const (
	maxRequest = 16 << 10
	maxGrant   = 64 << 10
	// EnrolTime bounds one enrolment: a commit at the core, and a slow line.
	EnrolTime = 15 * time.Second
)

// Request asks for a certificate, with a token or with the resume secret.
type Request struct {
	Name   Name   `json:"name"`
	Token  string `json:"token,omitempty"`  // its secret
	Resume string `json:"resume,omitempty"` // the present one
	// Next is the sum of the resume secret that the machine has made for its next contact.
	Next record.Hash `json:"next"`
	// CSR is the machine's own public key, signed with it (PKCS #10, RFC 2986).
	CSR []byte `json:"csr"`
}

// Secrets are what the nodes of the core share beside the log. A new node is given
// them once, with the answer to its token, and by nothing else.
type Secrets struct {
	// City is the city's key, 32 bytes.
	City []byte `json:"city"`
	// Authority is the secret of the certificate authority, 32 bytes; empty: City.
	Authority []byte `json:"authority,omitempty"`
}

// Granted is the answer: a certificate, or why there is none.
type Granted struct {
	Chain [][]byte `json:"chain,omitempty"`
	Roots [][]byte `json:"roots,omitempty"`
	// Secrets are for a core node that showed a token.
	Secrets *Secrets `json:"secrets,omitempty"`
	// Word is one of the words below; empty with a certificate.
	Word   string `json:"word,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// The words of an answer without a certificate, and what they mean to the machine.
var words = map[string]error{"token": ErrToken, "held": ErrHeld, "revoked": ErrRevoked, "later": ErrLater}

// ErrLater says that the city cannot enrol now; the same again may succeed.
var ErrLater = errors.New("trust: the city cannot enrol now")

// Word is the word for an error that wraps one of those above; "later" for any other.
func Word(err error) string {
	for w, is := range words {
		if errors.Is(err, is) {
			return w
		}
	}
	return "later"
}

// Meaning is the error of a word; ErrLater for one that is not known.
func Meaning(word string) error {
	if err, ok := words[word]; ok {
		return err
	}
	return ErrLater
}

// Refuse is the answer without a certificate, because of err.
func Refuse(err error) Granted {
	w := Word(err)
	return Granted{Word: w, Detail: Meaning(w).Error()}
}

// ReadRequest reads a request off a connection; its deadline is the caller's.
func ReadRequest(c io.Reader) (r Request, err error) {
	err = readOne(c, maxRequest, &r)
	return r, err
}

// WriteGranted answers.
func WriteGranted(c io.Writer, g Granted) error { return writeOne(c, g) }

func readOne(c io.Reader, limit int64, into any) error {
	raw, err := io.ReadAll(io.LimitReader(c, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return fmt.Errorf("trust: a message of an enrolment: %w", err)
	}
	return nil
}

// writeOne writes a message and says that it is whole (a close notify, RFC 8446, section 6.1).
func writeOne(c io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := c.Write(raw); err != nil {
		return err
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ask sends a request to one core node. The node is believed when its
// certificate leads to a root of ours, or, with a token, to the authority that the token names.
func (h *Holder) ask(ctx context.Context, addr string, r Request, pin *record.Hash) (g Granted, err error) {
	ctx, cancel := context.WithTimeout(ctx, EnrolTime)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return g, err
	}
	defer func() { _ = raw.Close() }() // the answer has come, or will not
	if d, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(d); err != nil {
			return g, err
		}
	}
	conf := h.Client(ProtoEnrol, Node)
	conf.GetClientCertificate = nil
	if pin != nil {
		conf.VerifyConnection = func(cs tls.ConnectionState) error { return h.pinned(cs, *pin) }
	}
	t := tls.Client(raw, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		return g, err
	}
	if err := writeOne(t, r); err != nil {
		return g, err
	}
	if err := readOne(t, maxGrant, &g); err != nil {
		return g, err
	}
	if g.Word != "" {
		return g, Meaning(g.Word)
	}
	return g, nil
}

// pinned verifies a connection against the authority of which only the sum of
// the key is known.
func (h *Holder) pinned(cs tls.ConnectionState, pin record.Hash) error {
	i := slices.IndexFunc(cs.PeerCertificates, func(c *x509.Certificate) bool { return c.IsCA && KeySum(c) == pin })
	if i < 0 {
		return fmt.Errorf("%w: it is not the authority that the token names", ErrUntrusted)
	}
	by := &Holder{now: h.now}
	by.state.Store(&held{})
	by.SetRoots([]*x509.Certificate{cs.PeerCertificates[i]})
	_, err := by.Verify(cs, x509.ExtKeyUsageServerAuth, Node)
	return err
}
