package acme

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 10 * time.Second

func put(t *testing.T, s *storage, keys ...string) {
	t.Helper()
	for _, key := range keys {
		require.NoError(t, s.Store(t.Context(), key, []byte(key)))
	}
}

// Keys are paths, and folders are there as long as something is in them.
func TestStorage(t *testing.T) {
	s := newStorage(memory.NewBlobs(), timeout)
	put(t, s, "a/b/c", "a/b/d", "a/e", "ab", "a.b")
	value, err := s.Load(t.Context(), "a/b/c")
	require.NoError(t, err)
	assert.Equal(t, "a/b/c", string(value))
	for _, key := range []string{"a", "a/b", "b", "a/b/c/d", "a/"} {
		_, err := s.Load(t.Context(), key)
		require.ErrorIs(t, err, fs.ErrNotExist, key)
	}
	lists := func(key string, recursive bool, want ...string) {
		t.Helper()
		got, err := s.List(t.Context(), key, recursive)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	lists("", false, "a", "a.b", "ab")
	lists("", true, "a.b", "a/b/c", "a/b/d", "a/e", "ab")
	lists("a", false, "a/b", "a/e")
	lists("a", true, "a/b/c", "a/b/d", "a/e")
	_, err = s.List(t.Context(), "ab", false)
	require.ErrorIs(t, err, fs.ErrNotExist)

	stats := func(key string, want certmagic.KeyInfo) {
		t.Helper()
		got, err := s.Stat(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.True(t, s.Exists(t.Context(), key))
	}
	stats("a", certmagic.KeyInfo{Key: "a"})
	stats("a/e", certmagic.KeyInfo{Key: "a/e", Size: 3, IsTerminal: true})
	assert.False(t, s.Exists(t.Context(), "a/b/x"))

	require.NoError(t, s.Delete(t.Context(), "a/b"))
	lists("", true, "a.b", "a/e", "ab")
	require.NoError(t, s.Delete(t.Context(), "a/b"), "what isn't there is deleted")
	require.NoError(t, s.Delete(t.Context(), "ab"))
	lists("", false, "a", "a.b")
}

// What is stored has the prefix, so that others' blobs are left alone.
func TestPrefix(t *testing.T) {
	blobs := memory.NewBlobs()
	_, err := blobs.Put(t.Context(), "other", nil, blob.Any)
	require.NoError(t, err)
	s := newStorage(blobs, timeout)
	put(t, s, "a")
	infos, err := blobs.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, infos, 2)
	assert.Equal(t, "acme/a", infos[0].Key)
	keys, err := s.List(t.Context(), "", true)
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, keys)
}

// awayBlobs are those of a store that is away.
type awayBlobs struct{ Blobs }

var errAway = errors.New("the store is away")

func (awayBlobs) Get(context.Context, string) ([]byte, blob.Revision, error) { return nil, 0, errAway }
func (awayBlobs) List(context.Context, string) ([]blob.Info, error)          { return nil, errAway }
func (awayBlobs) Lock(context.Context, string, string, time.Duration) error  { return errAway }

// A store that is away isn't one in which there is nothing.
func TestStorageAway(t *testing.T) {
	s := newStorage(awayBlobs{}, timeout)
	_, err := s.Load(t.Context(), "a")
	require.ErrorIs(t, err, errAway)
	_, err = s.Stat(t.Context(), "a")
	require.ErrorIs(t, err, errAway)
	_, err = s.List(t.Context(), "a", true)
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, s.Delete(t.Context(), "a"), errAway)
	require.ErrorIs(t, s.Lock(t.Context(), "a"), errAway)
}

// A lock excludes others, in this process and in others, for as long as it is held. It is there
// when it is released.
func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := memory.NewBlobs()
		one, two := newStorage(blobs, timeout), newStorage(blobs, timeout)
		require.NoError(t, one.Lock(t.Context(), "a"))
		time.Sleep(10 * lockTTL)
		for _, s := range []*storage{one, two} {
			ok, err := s.TryLock(t.Context(), "a")
			require.NoError(t, err)
			assert.False(t, ok)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			require.ErrorIs(t, s.Lock(ctx, "a"), context.DeadlineExceeded)
			cancel()
		}
		ok, err := two.TryLock(t.Context(), "b")
		require.NoError(t, err)
		assert.True(t, ok)

		waits := make(chan error)
		go func() { waits <- two.Lock(t.Context(), "a") }()
		time.Sleep(time.Minute)
		released := time.Now()
		require.NoError(t, one.Unlock(t.Context(), "a"))
		require.NoError(t, <-waits)
		assert.LessOrEqual(t, time.Since(released), lockPoll)
		require.Error(t, one.Unlock(t.Context(), "a"), "it is another one's")
		two.stop()
	})
}

// A process that died keeps nobody out for longer than the TTL.
func TestDeadOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := memory.NewBlobs()
		require.NoError(t, blobs.Lock(t.Context(), prefix+"a", "the dead", lockTTL))
		s, began := newStorage(blobs, timeout), time.Now()
		require.NoError(t, s.Lock(t.Context(), "a"))
		assert.LessOrEqual(t, time.Since(began), lockTTL+lockPoll)
		s.stop()
	})
}

// A stop releases what is held, and has no more be taken.
func TestStopLocks(t *testing.T) {
	blobs := memory.NewBlobs()
	one, two := newStorage(blobs, timeout), newStorage(blobs, timeout)
	require.NoError(t, one.Lock(t.Context(), "a"))
	one.stop()
	require.NoError(t, two.Lock(t.Context(), "a"))
	require.ErrorIs(t, one.Lock(t.Context(), "b"), errStopped)
	require.NoError(t, two.Lock(t.Context(), "b"), "nobody holds it")
	two.stop()
}
