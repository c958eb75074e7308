package trust

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
)

// serialSize is the length of a serial number, in bytes: the most is 20 (RFC 5280, section 4.1.2.2).
const serialSize = 16

// NewSerial is the serial number of a new certificate: a one, so that its
// length is fixed, the epoch of the enrolment (4 bytes, big endian), and 11 random bytes.
func NewSerial(epoch uint32) *big.Int {
	b := make([]byte, serialSize)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	b[0] = 1
	binary.BigEndian.PutUint32(b[1:], epoch)
	return new(big.Int).SetBytes(b)
}

func epochOf(n *big.Int) uint32 {
	if n == nil || n.Sign() < 0 {
		return 0
	}
	b := n.Bytes()
	if len(b) != serialSize || b[0] != 1 {
		return 0
	}
	return binary.BigEndian.Uint32(b[1:])
}
