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

// oneAttempt is bbolt's timeout for the file's lock: it makes one attempt. bbolt polls too slowly
// for a short wait, and wouldn't stop for a context, so Open does the waiting.
const oneAttempt = 1

// claim opens the file for the first time. It creates what is missing, checks that this is a
// store's file, and notes in it that it has a new owner.
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
		s.epoch, err = claimSchema(tx, s.o.Heirless)
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

// reopen opens the file again after a failed commit. The lock was released in between, so another
// process may have taken the file over. Then, or if there is another file at the path, this writer
// must not write to it.
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
		return fmt.Errorf("%s: %w", path.Op, path.Err) // the path is in the message already
	}
	return err
}

// letGo closes the file, and removes the holder's name.
func (s *Store) letGo() error {
	if s.file != nil && s.db != nil {
		removeHolder(s.o.Path)
	}
	return s.closeFile()
}

// closeFile closes the file, and so releases its lock. After a panic bbolt may hold its own locks
// for ever. Then closeFile unlocks and closes the file without bbolt. The memory map is lost until
// the process ends.
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

// syncDir makes a new file's name survive a crash of the machine. If a directory can't be synced,
// the filesystem takes care of that itself.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
