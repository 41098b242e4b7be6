// Package blob has what those who use store.Blobs and those who implement it share: errors, limits
// and small types. It imports nothing of ours, so that everybody may import it.
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
	// ErrRevision: what is under the key isn't at the revision that the Put asked for. Nothing was
	// changed.
	ErrRevision = errors.New("the blob has changed meanwhile")
	// ErrLocked: another owner holds the lock.
	ErrLocked = errors.New("locked by another owner")
	// ErrInDoubt: the store can't say whether it took the write. It may still take it.
	ErrInDoubt = errors.New("unknown whether the blob was stored")
)

// Revision tells the states of a key apart. Those of a store are above 0, rise, and are never used
// again, also not after a Delete.
type Revision int64

const (
	// Any makes a Put succeed whatever is under the key.
	Any Revision = -1
	// None makes a Put succeed only if nothing is under the key.
	None Revision = 0
)

// Info is a key of a List.
type Info struct {
	Key      string
	Revision Revision
	// Size is that of the value, in bytes.
	Size int
}

// MaxKey and MaxValue bound keys, also names and owners of locks, and values, in bytes.
const (
	MaxKey   = 512
	MaxValue = 1 << 20
)

// CheckKey reports what is wrong with a key, or with the name or the owner of a lock: they are 1 to
// MaxKey bytes of valid UTF-8 without NUL.
func CheckKey(key string) error {
	if len(key) < 1 || len(key) > MaxKey || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
		return fmt.Errorf("blob key %q: want 1 to %d bytes of valid UTF-8 without NUL", key, MaxKey)
	}
	return nil
}

// CheckPut reports what is wrong with a key, or with a value.
func CheckPut(key string, value []byte) error {
	if len(value) > MaxValue {
		return fmt.Errorf("blob %q: its value has %d bytes; want at most %d", key, len(value), MaxValue)
	}
	return CheckKey(key)
}
