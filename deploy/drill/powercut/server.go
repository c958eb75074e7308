package powercut

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// The network block device protocol, fixed newstyle, as far as QEMU, nbdinfo and
// the kernel's client need it. Source: doc/proto.md of the project
// NetworkBlockDevice/nbd, sections "Fixed newstyle negotiation" and "Transmission".
const (
	magicHello   = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption  = 0x49484156454f5054 // "IHAVEOPT"
	magicAnswer  = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicReply   = 0x67446698

	flagFixed    = 1 << 0 // also of the client
	flagNoZeroes = 1 << 1

	// Of the export: flags are there, flush and FUA are understood.
	exportFlags = 1<<0 | 1<<2 | 1<<3

	optExport = 1
	optAbort  = 2
	optList   = 3
	optInfo   = 6
	optGo     = 7

	answerAck     = 1
	answerServer  = 2
	answerInfo    = 3
	answerUnsup   = 1<<31 | 1
	answerInvalid = 1<<31 | 3

	infoExport = 0

	cmdRead  = 0
	cmdWrite = 1
	cmdEnd   = 2
	cmdFlush = 3
	cmdFUA   = 1 << 0

	codeIO      = 5
	codeInvalid = 22
	codeSpace   = 28
)

const (
	// maxOption bounds an option's data, in bytes; names of exports are shorter.
	maxOption = 4 << 10
	// maxTransfer bounds one reading or writing, in bytes: what the protocol lets every client rely on.
	maxTransfer = 32 << 20
	// maxOptions bounds how long a client may negotiate.
	maxOptions = 64
	// maxClients bounds the connections: a machine has one, a test two or three.
	maxClients = 8
)

var errProtocol = errors.New("not the network block device protocol")

// Serve gives the disk to whoever connects, until ctx ends; then every
// connection is broken, and what was asked meanwhile has ended on return.
func Serve(ctx context.Context, l net.Listener, d *Disk) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	slots := make(chan struct{}, maxClients)
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("disk server: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default:
			_ = c.Close() // too many
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer c.Close()
			_ = serve(ctx, c, d) // a client that breaks off is a machine that lost its power
		})
	}
}

// serve speaks with one client until it leaves. A disk without power answers
// nothing more: an error would be news of the cut.
func serve(ctx context.Context, c io.ReadWriter, d *Disk) error {
	s := &session{r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriterSize(c, 64<<10), d: d}
	if err := s.negotiate(); err != nil || s.done {
		return errors.Join(err, s.w.Flush())
	}
	for {
		if s.r.Buffered() == 0 {
			if err := s.w.Flush(); err != nil {
				return err
			}
		}
		err := s.request()
		if errors.Is(err, errDead) {
			<-ctx.Done()
			return err
		}
		if err != nil || s.done {
			return errors.Join(err, s.w.Flush())
		}
	}
}

type session struct {
	r    *bufio.Reader
	w    *bufio.Writer
	d    *Disk
	done bool
}

// put writes numbers, big endian; a failed write is told by Flush.
func (s *session) put(v ...any) {
	for _, x := range v {
		_ = binary.Write(s.w, binary.BigEndian, x)
	}
}

func (s *session) take(v ...any) error {
	for _, x := range v {
		if err := binary.Read(s.r, binary.BigEndian, x); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) negotiate() error {
	s.put(uint64(magicHello), uint64(magicOption), uint16(flagFixed|flagNoZeroes))
	if err := s.w.Flush(); err != nil {
		return err
	}
	var flags uint32
	if err := s.take(&flags); err != nil {
		return err
	}
	if flags&^(flagFixed|flagNoZeroes) != 0 {
		return fmt.Errorf("%w: client flags %#x", errProtocol, flags)
	}
	for range maxOptions {
		var magic uint64
		var option, n uint32
		if err := s.take(&magic, &option, &n); err != nil {
			return err
		}
		if magic != magicOption || n > maxOption {
			return fmt.Errorf("%w: option %d of %d bytes", errProtocol, option, n)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(s.r, data); err != nil {
			return err
		}
		if option == optExport { // the old way in: no answer but the export
			s.put(uint64(s.d.Size()), uint16(exportFlags))
			if flags&flagNoZeroes == 0 {
				s.put(make([]byte, 124))
			}
			return s.w.Flush()
		}
		ready := s.option(option, data)
		if err := s.w.Flush(); err != nil || ready || s.done {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d options", errProtocol, maxOptions)
}

func (s *session) answer(option, kind uint32, data []byte) {
	s.put(uint64(magicAnswer), option, kind, uint32(len(data)), data)
}

// option answers one; true when transmission begins.
func (s *session) option(option uint32, data []byte) bool {
	switch option {
	case optAbort:
		s.answer(option, answerAck, nil)
		s.done = true
	case optList: // one export, without a name
		s.answer(option, answerServer, make([]byte, 4))
		s.answer(option, answerAck, nil)
	case optInfo, optGo: // name, then numbers of what is asked for; size and flags are always said
		if len(data) < 6 || int(binary.BigEndian.Uint32(data)) > len(data)-6 {
			s.answer(option, answerInvalid, nil)
			return false
		}
		info := binary.BigEndian.AppendUint16(nil, infoExport)
		info = binary.BigEndian.AppendUint64(info, uint64(s.d.Size()))
		s.answer(option, answerInfo, binary.BigEndian.AppendUint16(info, exportFlags))
		s.answer(option, answerAck, nil)
		return option == optGo
	default:
		s.answer(option, answerUnsup, nil)
	}
	return false
}

// request does what one request asks, in order: what is answered later was done later.
func (s *session) request() error {
	var magic uint32
	var flags, cmd uint16
	var handle, off uint64
	var n uint32
	if err := s.take(&magic, &flags, &cmd, &handle, &off, &n); err != nil {
		if errors.Is(err, io.EOF) {
			s.done = true
			return nil
		}
		return err
	}
	if magic != magicRequest || cmd == cmdWrite && n > maxTransfer {
		return fmt.Errorf("%w: request %d of %d bytes", errProtocol, cmd, n)
	}
	reply := func(err error, data []byte) {
		code := uint32(0)
		switch {
		case errors.Is(err, errOutside) && cmd == cmdWrite:
			code = codeSpace
		case errors.Is(err, errOutside):
			code = codeInvalid
		case err != nil:
			code = codeIO
		}
		s.put(uint32(magicReply), code, handle)
		if err == nil {
			_, _ = s.w.Write(data) // told by Flush
		}
	}
	switch cmd {
	case cmdRead:
		if n > maxTransfer || off > uint64(s.d.Size()) {
			reply(errOutside, nil)
			return nil
		}
		p := make([]byte, n)
		_, err := s.d.ReadAt(p, int64(off))
		if errors.Is(err, errDead) {
			return err
		}
		reply(err, p)
	case cmdWrite:
		p := make([]byte, n)
		if _, err := io.ReadFull(s.r, p); err != nil {
			return err
		}
		if off > uint64(s.d.Size()) {
			reply(errOutside, nil)
			return nil
		}
		err := s.d.WriteAt(p, int64(off), flags&cmdFUA != 0)
		if errors.Is(err, errDead) {
			return err
		}
		reply(err, nil)
	case cmdFlush:
		err := s.d.Flush()
		if errors.Is(err, errDead) {
			return err
		}
		reply(err, nil)
	case cmdEnd:
		s.done = true
	default:
		reply(errOutside, nil)
	}
	return nil
}
