package edge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"wardline/sync/tables"
)

// damagedName is the file in the station's folder that says that a table was
// found damaged while the station served from it: the next start proves all of them
// before anybody is served.
const damagedName = "DAMAGED"

// provedWithin is how long a start waits for the proof of the ledger's tables;
// the rest is read beside the work, so that a box with years on its disk takes reports at once.
const provedWithin = 100 * time.Millisecond

// prove begins to read the ledger's tables. With an error nothing may be served.
func (s *Station) prove() error {
	s.proof = tables.Begin(s.ledger.DB())
	mark := filepath.Join(s.c.Dir, damagedName)
	_, err := os.Stat(mark)
	switch {
	case err == nil:
		err = s.proof.Wait()
		if err == nil { // the disk read something else today
			err = os.Remove(mark)
		}
	case errors.Is(err, fs.ErrNotExist):
		err = s.proof.Within(provedWithin)
	}
	return s.damaged(err)
}

func (s *Station) damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dir: %s: %w; replace the disk, and put a copy of the folder in its place, or begin with an empty one: the city sends back what it holds, and a copy of the damaged one may hold reports that it does not", s.c.Dir, err)
}

// proveFiles ends the station when a table turns out damaged that is served from already.
func (s *Station) proveFiles(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.proof.Done():
	}
	err := s.damaged(s.proof.Wait())
	if err == nil {
		return nil
	}
	return errors.Join(err, os.WriteFile(filepath.Join(s.c.Dir, damagedName), nil, 0o600))
}
