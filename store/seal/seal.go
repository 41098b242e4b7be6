// Package seal encrypts blobs before they reach a store that others can read: a database, its
// replicas and its backups. Keys stay readable, and so do sizes.
//
// A value is sealed by AES-256-GCM under a random nonce of 96 bits, which suits the few thousand
// values that are ever written. It is bound to its key, so that no value can be put in another's
// place. It begins with the id of the secret, so that a wrong one is told from damage.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"gopher-equalizer/store/blob"
)

// Secret is what values are sealed with.
type Secret struct {
	aead cipher.AEAD
	id   [idSize]byte
}

const (
	// secretSize is the size of a secret, and idSize that of its id, in bytes.
	secretSize, idSize = 32, 8
	// version is the first byte of each value.
	version = 1
	// prefixSize is the size of what stands before the nonce.
	prefixSize = 1 + idSize
	// nonceSize and tagSize are those of AES-GCM.
	nonceSize, tagSize = 12, 16
	// overhead is how much longer a value is when it is sealed.
	overhead = prefixSize + nonceSize + tagSize
)

var errSecret = errors.New("want 32 random bytes in base64 or hexadecimal, such as openssl rand -base64 32 prints")

// ParseSecret reads a secret: 32 bytes in base64 or hexadecimal. The error doesn't quote it.
func ParseSecret(text string) (*Secret, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != secretSize {
		key, err = hex.DecodeString(text)
	}
	if err != nil || len(key) != secretSize {
		return nil, errSecret
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	s := &Secret{aead: aead}
	sum := sha256.Sum256(append([]byte("the id of a secret: "), key...))
	copy(s.id[:], sum[:])
	return s, nil
}

// Under are the blobs of a store, as store.Blobs promises.
type Under interface {
	Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error)
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, prefix string) ([]blob.Info, error)
	Lock(ctx context.Context, name, owner string, ttl time.Duration) error
	Unlock(ctx context.Context, name, owner string) error
}

// Blobs are those of a store, with sealed values. A value may be overhead bytes shorter than
// blob.MaxValue.
type Blobs struct {
	Under
	secret *Secret
}

// New returns the blobs of a store whose values are sealed with a secret.
func New(blobs Under, secret *Secret) *Blobs { return &Blobs{blobs, secret} }

// ErrUnreadable is wrapped by Get where a value wasn't sealed with the secret.
var ErrUnreadable = errors.New("the stored value can't be read")

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, key string) ([]byte, blob.Revision, error) {
	sealed, at, err := b.Under.Get(ctx, key)
	if err != nil {
		return nil, at, err
	}
	value, err := b.secret.open(key, sealed)
	if err != nil {
		return nil, at, fmt.Errorf("blob %q: %w: %w", key, ErrUnreadable, err)
	}
	return value, at, nil
}

// Put implements store.Blobs.
func (b *Blobs) Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error) {
	return b.Under.Put(ctx, key, b.secret.seal(key, value), at)
}

// List implements store.Blobs.
func (b *Blobs) List(ctx context.Context, prefix string) ([]blob.Info, error) {
	infos, err := b.Under.List(ctx, prefix)
	for i := range infos {
		infos[i].Size = max(0, infos[i].Size-overhead)
	}
	return infos, err
}

func (s *Secret) seal(key string, value []byte) []byte {
	sealed := make([]byte, prefixSize+nonceSize, overhead+len(value))
	sealed[0] = version
	copy(sealed[1:], s.id[:])
	_, _ = rand.Read(sealed[prefixSize:]) // It never fails.
	return s.aead.Seal(sealed, sealed[prefixSize:], value, []byte(key))
}

func (s *Secret) open(key string, sealed []byte) ([]byte, error) {
	const nonceEnd = prefixSize + nonceSize
	switch {
	case len(sealed) < nonceEnd || sealed[0] != version:
		return nil, errors.New("it isn't sealed; want it deleted, or the store that it is from")
	case [idSize]byte(sealed[1:]) != s.id:
		return nil, fmt.Errorf("it is sealed with the secret %x, and this one is %x; want the former secret, or the value deleted",
			sealed[1:prefixSize], s.id)
	}
	value, err := s.aead.Open(nil, sealed[prefixSize:nonceEnd], sealed[nonceEnd:], []byte(key))
	if err != nil {
		return nil, errors.New("it is damaged, or was stored under another key; want it deleted")
	}
	return value, nil
}
