package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"gopher-equalizer/store"
)

// oneAttempt is bbolt's timeout for the file's lock: it tries once, as it polls too slowly
// for anything this short. Open does the waiting, since bbolt would not stop for a context.
const oneAttempt = 1

// claim opens the file for the first time: it makes what is missing, checks that the file is
// one of ours, and notes in it that it changed hands.
func (s *Store) claim() error {
	if err := os.MkdirAll(filepath.Dir(s.o.Path), 0o700); err != nil {
		return err
	}
	if err := s.openFile(os.O_CREATE); err != nil {
		return err
	}
	err := s.db.Update(func(tx *bbolt.Tx) (err error) {
		if err := checkPages(tx, s.file); err != nil {
			return err
		}
		s.epoch, err = claimSchema(tx)
		return err
	})
	if err != nil {
		return errors.Join(err, s.letGo())
	}
	syncDir(filepath.Dir(s.o.Path))
	if err := s.writeHolder(); err != nil {
		s.o.Logger.Warn().Err(err).Msg("a second process will not be told who holds the store")
	}
	return nil
}

// reopen opens the file again after a failed commit. The lock was let go of in between, so
// another process may have taken the file over; a file that is not the one that was claimed
// is not ours to write either.
func (s *Store) reopen() error {
	if err := s.openFile(0); err != nil {
		return err
	}
	err := s.settle()
	if err == nil {
		err = s.db.View(func(tx *bbolt.Tx) error { return checkSchema(tx, s.epoch) })
	}
	if errors.Is(err, store.ErrSuperseded) {
		s.final = err
	}
	if err != nil {
		return errors.Join(err, s.closeFile())
	}
	return nil
}

// openFile opens the file with bbolt. create is os.O_CREATE, or 0 for a file that must be there.
func (s *Store) openFile(create int) error {
	db, err := bbolt.Open(s.o.Path, 0o600, &bbolt.Options{
		Timeout:      oneAttempt,
		FreelistType: bbolt.FreelistMapType,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := os.OpenFile(path, flag&^os.O_CREATE|create, mode)
			s.file = file
			return file, err
		},
	})
	switch {
	case err == nil:
		s.db = db
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s", store.ErrHeld, readHolder(s.o.Path))
	case notBolt(err):
		return fmt.Errorf("%w: not a bbolt file (%w)", errDamaged, err)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err) // the path is said already
	}
	return err
}

// letGo closes the file, and says that it is held no more.
func (s *Store) letGo() error {
	if s.file != nil && s.db != nil {
		removeHolder(s.o.Path)
	}
	return s.closeFile()
}

// closeFile closes the file and with it the lock. After a panic bbolt may hold its own locks
// for ever, so its file is unlocked and closed behind its back; the memory map is lost until the
// process ends.
func (s *Store) closeFile() error {
	db, file := s.db, s.file
	s.db, s.file = nil, nil
	switch {
	case file == nil:
		return nil
	case db == nil || errors.Is(s.final, errDamaged):
		unlock(file)
		return ignoreClosed(file.Close())
	default:
		return db.Close()
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// syncDir has a new file's name survive a crash of the machine. Where a directory can't be
// synced, the filesystem sees to it.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
