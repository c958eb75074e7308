package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// A snapshot on the wire: magic, format byte, the applied index that the State
// contains, the size of the State's own bytes (both big endian), those bytes,
// and their CRC-32C.
const (
	streamMagic   = "WLS"
	streamFormat  = 1
	streamHeader  = 3 + 1 + 8 + 8
	streamTrailer = 4
)

var (
	errStreamShort  = errors.New("snapshot stream ended early")
	errStreamHeader = errors.New("snapshot stream has a header that is not known here")
	errStreamSum    = errors.New("snapshot stream fails its checksum")
)

func streamSize(payload int64) int64 { return streamHeader + payload + streamTrailer }

func streamHead(applied uint64, size int64) []byte {
	b := append(make([]byte, 0, streamHeader), streamMagic...)
	b = append(b, streamFormat)
	b = binary.BigEndian.AppendUint64(b, applied)
	return binary.BigEndian.AppendUint64(b, uint64(size))
}

func readStreamHeader(b []byte) (applied uint64, size int64, err error) {
	if len(b) != streamHeader || string(b[:3]) != streamMagic || b[3] != streamFormat {
		return 0, 0, errStreamHeader
	}
	applied, size = binary.BigEndian.Uint64(b[4:]), int64(binary.BigEndian.Uint64(b[12:]))
	if size < 0 {
		return 0, 0, fmt.Errorf("%w: size %d", errStreamHeader, size)
	}
	return applied, size, nil
}

// streamReader gives a State's snapshot in its form on the wire.
type streamReader struct {
	snap *Snapshot
	head []byte
	left int64
	sum  uint32
	tail []byte
	once sync.Once
	done func()
}

func newStreamReader(s *Snapshot, done func()) *streamReader {
	return &streamReader{snap: s, head: streamHead(s.Index, s.Size), left: s.Size, done: done}
}

// Read implements io.Reader.
func (r *streamReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.left > 0 {
		n, err := r.snap.Read(p[:min(int64(len(p)), r.left)])
		r.sum = crc32.Update(r.sum, castagnoli, p[:n])
		r.left -= int64(n)
		if n > 0 || err == nil {
			return n, nil
		}
		if err == io.EOF {
			err = fmt.Errorf("%w: the state gave %d bytes less than it said", errStreamShort, r.left)
		}
		return 0, err
	}
	if r.tail == nil {
		r.tail = binary.BigEndian.AppendUint32(make([]byte, 0, streamTrailer), r.sum)
	}
	if len(r.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.tail)
	r.tail = r.tail[n:]
	return n, nil
}

// Close implements io.Closer.
func (r *streamReader) Close() error {
	r.once.Do(r.done)
	return r.snap.Close()
}

// streamBody gives the State its own bytes out of the stream, and io.EOF only
// after all of them have come and the checksum is right.
type streamBody struct {
	r        io.Reader
	left     int64
	sum      uint32
	complete bool
}

func newStreamBody(r io.Reader, size int64) *streamBody { return &streamBody{r: r, left: size} }

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	if b.complete {
		return 0, io.EOF
	}
	if b.left == 0 {
		var t [streamTrailer]byte
		if _, err := io.ReadFull(b.r, t[:]); err != nil {
			return 0, shorten(err)
		}
		if binary.BigEndian.Uint32(t[:]) != b.sum {
			return 0, errStreamSum
		}
		b.complete = true
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.sum = crc32.Update(b.sum, castagnoli, p[:n])
	b.left -= int64(n)
	if n > 0 {
		return n, nil
	}
	return n, shorten(err)
}

// shorten turns an end that comes too early into an error of its own.
func shorten(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errStreamShort
	}
	return err
}
