package record

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
)

// Receipt proves that a chain is committed and applied at the city up to and
// including Seq. One node signs what its own Apply returned.
type Receipt struct {
	Chain ChainID
	Seq   Seq
	Hash  Hash // of the entry Seq
	// CityIndex is at least that of the entry Seq in the city's order.
	CityIndex uint64
	// At is when the node signed, milliseconds since the Unix epoch, UTC.
	At        int64
	Node      string
	Signature []byte // Ed25519 (RFC 8032) over the fixed layout
}

// ErrReceipt says that a receipt's signature is not the named node's.
var ErrReceipt = errors.New("record: receipt signature is not valid")

func (r *Receipt) message() []byte {
	b := make([]byte, 0, 160)
	b = append(b, "wardline receipt 1\x00"...)
	b = appendString(b, string(r.Chain.Origin))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Chain.Incarnation))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Chain.Lane))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = append(b, r.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, r.CityIndex)
	b = binary.BigEndian.AppendUint64(b, uint64(r.At))
	return appendString(b, r.Node)
}

// Sign signs the receipt with the node's key.
func (r *Receipt) Sign(key ed25519.PrivateKey) { r.Signature = ed25519.Sign(key, r.message()) }

// Verify checks the signature against the node's public key.
func (r *Receipt) Verify(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, r.message(), r.Signature) {
		return ErrReceipt
	}
	return nil
}

// Append appends the receipt: version, message fields, signature.
func (r *Receipt) Append(b []byte) []byte {
	m := r.message()
	b = binary.AppendUvarint(b, uint64(len(m)))
	b = append(b, m...)
	return appendString(b, string(r.Signature))
}

// DecodeReceipt reads what Append wrote.
func DecodeReceipt(b []byte) (Receipt, error) {
	var r Receipt
	outer := reader{b: b}
	m := reader{b: outer.bytes()}
	r.Signature = append([]byte(nil), outer.bytes()...)
	if string(m.take(19)) != "wardline receipt 1\x00" || outer.bad || len(outer.b) != 0 {
		return r, fmt.Errorf("%w: receipt", ErrCorrupt)
	}
	r.Chain.Origin = Origin(m.bytes())
	r.Chain.Incarnation = Incarnation(m.uint64())
	r.Chain.Lane = LaneID(m.uint32())
	r.Seq = Seq(m.uint64())
	copy(r.Hash[:], m.take(32))
	r.CityIndex = m.uint64()
	r.At = int64(m.uint64())
	r.Node = string(m.bytes())
	if m.bad || len(m.b) != 0 {
		return r, fmt.Errorf("%w: receipt", ErrCorrupt)
	}
	return r, nil
}
