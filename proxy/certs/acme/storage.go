package acme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"gopher-equalizer/store/blob"
)

// Blobs is where certificates, their keys and the account are kept.
type Blobs interface {
	Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error)
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, prefix string) ([]blob.Info, error)
	Lock(ctx context.Context, name, owner string, ttl time.Duration) error
	Unlock(ctx context.Context, name, owner string) error
}

// prefix is what the keys of all blobs and locks begin with.
const prefix = "acme/"

// storage is a certmagic.Storage in Blobs. certmagic's keys are paths, and the folders in them
// exist as long as there is something below.
type storage struct {
	blobs Blobs
	// timeout is that of each call.
	timeout time.Duration
	locks   locks
}

func newStorage(blobs Blobs, timeout time.Duration) *storage {
	return &storage{blobs: blobs, timeout: timeout, locks: locks{ttl: lockTTL, poll: lockPoll}}
}

func (s *storage) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.blobs.Put(ctx, prefix+key, value, blob.Any)
	return err
}

// Load implements certmagic.Storage.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	value, _, err := s.blobs.Get(ctx, prefix+key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, missing(key)
	}
	return value, err
}

// missing is the error that certmagic wants for a key that isn't there.
func missing(key string) error { return fmt.Errorf("%q: %w", key, fs.ErrNotExist) }

// Delete implements certmagic.Storage.
func (s *storage) Delete(ctx context.Context, key string) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	below, err := s.blobs.List(ctx, prefix+key+"/")
	if err != nil {
		return err
	}
	for _, info := range below {
		if err := s.blobs.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	return s.blobs.Delete(ctx, prefix+key)
}

// Exists implements certmagic.Storage.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List implements certmagic.Storage.
func (s *storage) List(ctx context.Context, key string, recursive bool) ([]string, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	folder := prefix
	if key != "" {
		folder += key + "/"
	}
	below, err := s.blobs.List(ctx, folder)
	if err != nil {
		return nil, err
	}
	if len(below) == 0 {
		return nil, missing(key)
	}
	var keys []string
	for _, info := range below {
		name := strings.TrimPrefix(info.Key, folder)
		if !recursive {
			name, _, _ = strings.Cut(name, "/")
		}
		keys = append(keys, strings.TrimPrefix(folder+name, prefix))
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// Stat implements certmagic.Storage.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	infos, err := s.blobs.List(ctx, prefix+key)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	for _, info := range infos {
		switch {
		case info.Key == prefix+key:
			return certmagic.KeyInfo{Key: key, Size: int64(info.Size), IsTerminal: true}, nil
		case strings.HasPrefix(info.Key, prefix+key+"/"):
			return certmagic.KeyInfo{Key: key}, nil
		}
	}
	return certmagic.KeyInfo{}, missing(key)
}
