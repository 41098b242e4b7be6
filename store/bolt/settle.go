package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// A commit of bbolt writes the changed pages to free places in the file and syncs it. Then it
// writes one of the two meta pages, which makes those pages the file's contents, and syncs again.
// The errors of these steps differ only in whether they came from a sync.

// failedCommit closes the file, so that bbolt begins the next transaction from what is in the file.
// Its error wraps limiter.ErrInDoubt if the batch may be stored.
func (s *Store) failedCommit(txid int, err error) error {
	if !neverWritten(s.db, txid, err) {
		s.doubt = true
		err = fmt.Errorf("%w: %w", limiter.ErrInDoubt, err)
	}
	return errors.Join(err, s.closeFile())
}

// neverWritten reports whether a failed commit certainly wrote nothing that could appear later: no
// meta page has its number, and no sync failed. After a failed sync the disk may have other
// contents than what is read.
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

// isSyncError recognizes bbolt's errors. An error of fdatasync is bare, one of fsync names its
// operation, and one from growing the file names its cause in words.
func isSyncError(err error) bool {
	if _, bare := err.(syscall.Errno); bare { // unwrapped: a write's is in a PathError
		return true
	}
	var path *fs.PathError
	return errors.As(err, &path) && path.Op != "write"
}

// settle ends the doubt about a broken commit: it makes sure that the present meta pages are on the
// disk. It writes them again, since a kernel that failed to sync a page takes it for clean. Until
// then no new transaction may begin: it would reuse pages that the disk's version of the file may
// still need.
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
