package bolt

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	bolterrors "go.etcd.io/bbolt/errors"
)

// errDamaged is wrapped by every error about contents that this package and bbolt can't have
// written.
var errDamaged = errors.New("the file is damaged, or the disk can't be read")

// advice is what to do about it.
const advice = "restore it from a copy, or move it away to start afresh: then every client has a full bucket, and what operators wrote is gone"

// stumbled is the error for a panic over the file's contents. The runtime's text, such as a nil
// dereference, helps those who look in the log for a fault of this package.
func (s *Store) stumbled(p any) error {
	s.o.Logger.Debug().Str("path", s.o.Path).Interface("panic", p).Bytes("stack", debug.Stack()).Msg("stumbled over the store's file")
	if _, ok := p.(runtime.Error); ok {
		return fmt.Errorf("%w: its pages lead to where nothing is", errDamaged)
	}
	return fmt.Errorf("%w: %v", errDamaged, p)
}

// notBolt reports whether bbolt could not make a database of the file at all.
func notBolt(err error) bool {
	for _, is := range []error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch} {
		if errors.Is(err, is) {
			return true
		}
	}
	return strings.HasPrefix(err.Error(), "file size too small") // bbolt has no name for it
}

// wrap names the file in an error. If the file's contents are at fault, it adds what to do.
func (s *Store) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDamaged):
		return fmt.Errorf("store %s: %w: %s", s.o.Path, err, advice)
	case errors.Is(err, bolterrors.ErrIncompatibleValue): // a bucket in place of a value
		return fmt.Errorf("store %s: %w: %w: %s", s.o.Path, errDamaged, err, advice)
	}
	return fmt.Errorf("store %s: %w", s.o.Path, err)
}
