// Package blob has what users and implementations of store.Blobs share: errors, limits and small
// types. It imports nothing of ours, so that every package may import it.
package blob

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

var (
	// ErrNotFound: there is nothing under this key.
	ErrNotFound = errors.New("no such blob")
	// ErrRevision: the key isn't at the revision that the Put wanted. Nothing was changed.
	ErrRevision = errors.New("the blob has changed meanwhile")
	// ErrLocked: another owner holds the lock.
	ErrLocked = errors.New("locked by another owner")
	// ErrInDoubt: it is unknown whether the store took the write. It may still take it.
	ErrInDoubt = errors.New("unknown whether the blob was stored")
)

// Revision tells the states of a key apart. The revisions of a store are above 0, rise, and are
// never used again, not even after a Delete.
type Revision int64

const (
	// Any makes a Put succeed at any revision.
	Any Revision = -1
	// None makes a Put succeed only if nothing is under the key.
	None Revision = 0
)

// Info is a key of a List.
type Info struct {
	Key      string
	Revision Revision
	// Size is the value's, in bytes.
	Size int
}

// MaxKey and MaxValue bound keys, also names and owners of locks, and values, in bytes.
const (
	MaxKey   = 512
	MaxValue = 1 << 20
)

// CheckKey checks a key, or the name or the owner of a lock. They are 1 to MaxKey bytes of valid
// UTF-8 without NUL.
func CheckKey(key string) error {
	if len(key) < 1 || len(key) > MaxKey || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return fmt.Errorf("blob key %q: want 1 to %d bytes of valid UTF-8 without NUL", key, MaxKey)
	}
	return nil
}

// CheckPut checks a key and a value.
func CheckPut(key string, value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("blob %q: its value has %d bytes; want at most %d", key, len(value), MaxValue)
	}
	return CheckKey(key)
}
