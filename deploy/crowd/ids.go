package crowd

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"wardline/sync/record"
)

// idBatch is how many ids wait for the file's sync at most; then their senders
// wait.
const idBatch = 1024

// idFile writes ids, one a line, each batch synced before the next.
type idFile struct {
	f    *os.File
	in   chan record.ID
	dead chan struct{} // closed when writing failed
	err  error         // why; read after dead or done
	done chan struct{}
}

// openIDs adds to the file: several runs may write to one.
func openIDs(path string) (*idFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sim: --ids: %w", err)
	}
	w := &idFile{f: f, in: make(chan record.ID, idBatch), dead: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w, nil
}

// add hands over an id; it waits while a batch is being synced.
func (w *idFile) add(id record.ID) {
	select {
	case w.in <- id:
	case <-w.dead:
	}
}

func (w *idFile) run() {
	defer close(w.done)
	b := bufio.NewWriter(w.f)
	for id := range w.in {
		_, err := fmt.Fprintln(b, id)
		for more := true; more && err == nil; {
			select {
			case id, ok := <-w.in:
				if more = ok; ok {
					_, err = fmt.Fprintln(b, id)
				}
			default:
				more = false
			}
		}
		if err = errors.Join(err, b.Flush()); err == nil {
			err = w.f.Sync()
		}
		if err != nil {
			w.err = fmt.Errorf("sim: --ids: %w", err)
			close(w.dead)
			return
		}
	}
}

// close writes what waits. No add may follow.
func (w *idFile) close() error {
	close(w.in)
	<-w.done
	return errors.Join(w.err, w.f.Close())
}
