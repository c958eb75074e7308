package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"wardline/sync/packed"
)

// A packed Raft entry: a format byte, CRC-32C of all that follows the
// checksum (big endian), then each item as its length (unsigned varint) and its bytes; in format
// 2 those packed (sync/packed), so that a drain's entries go through TLS and onto three disks by half their bytes. The
// checksum is there because raft-wal does not verify what it reads back and
// boltdb has none: a flipped bit in the log must not become a fact in the city.
const (
	entryFormat   = 1
	entryPacked   = 2
	entryOverhead = 5
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errEntryFormat = errors.New("raft entry is malformed")
	errEntrySum    = errors.New("raft entry fails its checksum")
)

// packedSize is what an item takes up in an entry.
func packedSize(item []byte) int {
	n := 1
	for v := len(item); v >= 0x80; v >>= 7 {
		n++
	}
	return n + len(item)
}

// packEntry encodes items into one Raft entry.
func packEntry(items [][]byte) []byte {
	size := entryOverhead
	for _, it := range items {
		size += packedSize(it)
	}
	b := make([]byte, entryOverhead, size)
	for _, it := range items {
		b = binary.AppendUvarint(b, uint64(len(it)))
		b = append(b, it...)
	}
	b[0] = entryFormat
	if p := packed.Pack(nil, b[entryOverhead:]); len(p) < size-entryOverhead {
		b = append(b[:entryOverhead], p...)
		b[0] = entryPacked
	}
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[entryOverhead:], castagnoli))
	return b
}

// checkEntry verifies an entry's format byte and checksum.
func checkEntry(b []byte) error {
	if len(b) < entryOverhead {
		return fmt.Errorf("%w: %d bytes", errEntryFormat, len(b))
	}
	if b[0] != entryFormat && b[0] != entryPacked {
		return fmt.Errorf("%w: format %d; a newer version of the program wrote it", errEntryFormat, b[0])
	}
	if crc32.Checksum(b[entryOverhead:], castagnoli) != binary.BigEndian.Uint32(b[1:]) {
		return errEntrySum
	}
	return nil
}

// unpackEntry decodes an entry; the items may point into b.
func unpackEntry(b []byte) ([][]byte, error) {
	if err := checkEntry(b); err != nil {
		return nil, err
	}
	format := b[0]
	if b = b[entryOverhead:]; format == entryPacked {
		var err error
		if b, err = packed.Unpack(b, maxEntryBytes); err != nil {
			return nil, fmt.Errorf("%w: %w", errEntryFormat, err)
		}
	}
	var items [][]byte
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n == 0 || n > uint64(len(b)-w) {
			return nil, fmt.Errorf("%w: length of item %d", errEntryFormat, len(items))
		}
		items = append(items, b[w:w+int(n):w+int(n)])
		b = b[w+int(n):]
	}
	return items, nil
}
