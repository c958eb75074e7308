// Package configs reads configuration files strictly: an unknown key, a wrong
// type or a doubled key is an error that names file, line and key.
package configs

import (
	"bytes"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Validator is a configuration that can say what is wrong with it.
type Validator interface{ Validate() error }

// Read reads a file into the caller's struct and validates it.
func Read(path string, into Validator) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return Decode(path, raw, into)
}

// Decode reads YAML (JSON is YAML) into the caller's struct and validates it;
// path stands in errors.
func Decode(path string, raw []byte, into Validator) error {
	if len(raw) > maxFile {
		return fmt.Errorf("%s: %d bytes, at most %d", path, len(raw), maxFile)
	}
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(into); err != nil {
		return fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, true))
	}
	if err := into.Validate(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
