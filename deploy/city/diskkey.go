package city

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
)

// diskKeys is the folder with the keys of the disks, as far from them as a city to try
// can have them.
const diskKeys = "disk-keys"

// diskKey is the file with the key of a node's disk; empty for a city that never was
// started with Encrypt.
func (c *City) diskKey(name string) (string, error) {
	path := c.path(diskKeys + "/" + name + ".key")
	_, err := os.Stat(path)
	switch {
	case err == nil:
		return path, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case !c.o.Encrypt:
		return "", nil
	}
	if err := os.MkdirAll(c.path(diskKeys), 0o700); err != nil {
		return "", err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // crypto/rand.Read never fails
	return path, os.WriteFile(path, key, 0o600)
}
