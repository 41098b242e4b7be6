package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// A commit of bbolt writes the changed pages to free places in the file and syncs it, then
// writes one of the two meta pages, which makes them the file's contents, and syncs it again.
// The errors of all these steps look alike, but for whether they came from a sync.

// failedCommit closes the file, so that bbolt begins the next transaction from what is in it,
// and says of the commit's error whether it leaves the batch in doubt.
func (s *Store) failedCommit(txid int, err error) error {
	if !neverWritten(s.db, txid, err) {
		s.doubt = true
		err = fmt.Errorf("%w: %w", limiter.ErrInDoubt, err)
	}
	return errors.Join(err, s.closeFile())
}

// neverWritten reports whether a failed commit certainly left nothing that could come to light: no
// meta page has its number, and no sync failed. After a failed sync the disk may hold something
// other than what is read.
func neverWritten(db *bbolt.DB, txid int, err error) bool {
	if isSyncError(err) {
		return false
	}
	latest := txid
	viewErr := db.View(func(tx *bbolt.Tx) error {
		latest = tx.ID()
		return nil
	})
	return viewErr == nil && latest < txid
}

// isSyncError knows bbolt's errors: those of fdatasync are bare, those of fsync name their
// operation, and those from growing the file say what they came from in words.
func isSyncError(err error) bool {
	if _, bare := err.(syscall.Errno); bare { // unwrapped: a write's is in a PathError
		return true
	}
	var path *fs.PathError
	return errors.As(err, &path) && path.Op != "write"
}

// settle ends the doubt of a broken commit: whatever the meta pages are by now, it makes
// sure that they are on the disk. They are written again, since a kernel that failed to sync
// a page takes it for clean. Until then no new transaction may start: it would reuse pages
// that the disk's version of the file may still need.
func (s *Store) settle() error {
	if !s.doubt {
		return nil
	}
	metas := make([]byte, 2*s.db.Info().PageSize)
	if _, err := s.file.ReadAt(metas, 0); err != nil {
		return fmt.Errorf("settle a broken write: %w", err)
	}
	if _, err := s.file.WriteAt(metas, 0); err != nil {
		return fmt.Errorf("settle a broken write: %w", err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("settle a broken write: %w", err)
	}
	s.doubt = false
	return nil
}
