package cluster

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
)

// sealedMark stands before what an entry of the log holds on the disk when it is
// encrypted: mark, nonce (12), AES-256-GCM over data and index. What is there in the clear
// was written before the disk had a key.
var sealedMark = []byte("\x00WLsealed1")

// sealedLog encrypts what the entries of the log hold; their index, term and kind stay
// in the clear.
type sealedLog struct {
	raft.LogStore
	gcm cipher.AEAD
}

// SealLog gives a Deps.WrapLog that encrypts the log on the disk.
func SealLog(key [32]byte) (func(raft.LogStore) raft.LogStore, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return func(s raft.LogStore) raft.LogStore { return &sealedLog{s, g} }, nil
}

func logPlace(l *raft.Log) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, l.Index), l.Term)
}

// GetLog implements raft.LogStore.
func (s *sealedLog) GetLog(index uint64, l *raft.Log) error {
	if err := s.LogStore.GetLog(index, l); err != nil {
		return err
	}
	if !bytes.HasPrefix(l.Data, sealedMark) {
		return nil
	}
	b := l.Data[len(sealedMark):]
	n := s.gcm.NonceSize()
	if len(b) < n {
		return fmt.Errorf("log entry %d: %w: cut short", index, ErrRejoin)
	}
	plain, err := s.gcm.Open(nil, b[:n], b[n:], logPlace(l))
	if err != nil {
		return fmt.Errorf("log entry %d is damaged, or was written under another key: %w", index, ErrRejoin)
	}
	l.Data = plain
	return nil
}

// StoreLog implements raft.LogStore.
func (s *sealedLog) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore. What Raft holds is not changed.
func (s *sealedLog) StoreLogs(logs []*raft.Log) error {
	out := make([]*raft.Log, len(logs))
	for i, l := range logs {
		c := *l
		if len(l.Data) > 0 {
			b := make([]byte, len(sealedMark)+s.gcm.NonceSize(), len(sealedMark)+s.gcm.NonceSize()+len(l.Data)+s.gcm.Overhead())
			copy(b, sealedMark)
			nonce := b[len(sealedMark):]
			_, _ = rand.Read(nonce) // crypto/rand.Read never fails
			c.Data = s.gcm.Seal(b, nonce, l.Data, logPlace(l))
		}
		out[i] = &c
	}
	return s.LogStore.StoreLogs(out)
}
