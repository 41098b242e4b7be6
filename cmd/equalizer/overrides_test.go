package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/bolt"
)

// nobody is a backend that needn't be there.
const nobody = "http://127.0.0.1:1"

// poolsConfig is a configuration with backends in the pool default.
func poolsConfig(urls ...string) config.Config {
	c := config.Default()
	pool := config.DefaultPool()
	for _, url := range urls {
		pool.Backends = append(pool.Backends, config.Backend{URL: url, Weight: 1, State: balancer.Ready})
	}
	c.Pools = map[string]config.Pool{"default": pool}
	return c
}

// operated are pools whose backends an operator changes, as a process has them.
type operated struct{ backends }

// operate starts the pools of a configuration, with overrides in its store. With limited, the store
// is open for buckets too. All ends with the test, if stop isn't called before.
func operate(t *testing.T, c config.Config, limited bool) (o *operated, stop func()) {
	t.Helper()
	o = &operated{}
	o.overrides = newOverrides(nil, zerolog.Nop())
	closeStore := func() {}
	if limited {
		buckets, _, err := openStore(t.Context(), c.Store, nil, nil, zerolog.Nop())
		require.NoError(t, err)
		closeStore = func() { assert.NoError(t, buckets.Close()) }
		require.Nil(t, o.overrides.use(c.Store, buckets))
	} else {
		require.Nil(t, o.overrides.use(c.Store, nil))
	}
	change, err := preparePools(c, nil, sharedByPools{overrides: o.overrides.Overrides}, zerolog.Nop())
	require.NoError(t, err)
	change.apply()
	o.pools = change.pools
	require.NoError(t, o.overrides.Load(t.Context()))
	running := newTasks()
	running.run(o.overrides.Run)
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		running.end()
		assert.NoError(t, o.overrides.close(context.Background()))
		closeStore()
	}
	t.Cleanup(stop)
	return o, stop
}

// say is an operator's override, which must be stored.
func (o *operated) say(t *testing.T, id string, say balancer.Override) {
	t.Helper()
	status, err := o.Override(t.Context(), id, say)
	require.NoError(t, err)
	if !status.Stored { // The disk may be slow.
		require.NoError(t, o.overrides.Flush(t.Context()))
	}
}

// Overrides outlive the process in each store, whether buckets are in it or not.
func TestOverridesOutliveTheProcess(t *testing.T) {
	flag, err := parseStore(server.Schema(t))
	require.NoError(t, err)
	file, postgres := config.Default().Store, config.Default().Store
	flag.override(&postgres)
	file.Path = filepath.Join(t.TempDir(), "data", "equalizer.db")
	for name, store := range map[string]config.Store{"bolt": file, "postgres": postgres} {
		t.Run(name, func(t *testing.T) {
			c := poolsConfig("http://127.0.0.1:1", "http://127.0.0.1:2")
			c.Store = store
			o, stop := operate(t, c, false)
			o.say(t, "default/http://127.0.0.1:1", balancer.Override{State: balancer.Maint})
			stop()
			for _, limited := range []bool{true, false} {
				o, stop := operate(t, c, limited)
				assert.Equal(t, balancer.Maint, o.pools.status()[0].State)
				o.say(t, "default/http://127.0.0.1:2", balancer.Override{Weight: 7})
				stop()
			}
			o, stop = operate(t, c, true)
			status, err := o.ClearOverride(t.Context(), "default/http://127.0.0.1:1")
			require.NoError(t, err)
			assert.Equal(t, balancer.Ready, status.State)
			stop()
			o, stop = operate(t, c, false)
			assert.Equal(t, balancer.Ready, o.pools.status()[0].State)
			assert.Equal(t, 7, o.pools.status()[1].Weight)
			stop()

			c = poolsConfig("http://127.0.0.1:1")
			c.Store = store
			o, stop = operate(t, c, false)
			o.say(t, "default/http://127.0.0.1:1", balancer.Override{Weight: 2})
			stop()
			c = poolsConfig("http://127.0.0.1:2")
			c.Store = store
			o, _ = operate(t, c, false)
			assert.Equal(t, 7, o.pools.status()[0].Weight, "a start without a backend keeps its override")
		})
	}
}

// No file is made before there is something to store, and it is only held while it is used.
func TestOverridesMakeNoFile(t *testing.T) {
	c := poolsConfig(nobody)
	c.Store.Path = filepath.Join(t.TempDir(), "data", "equalizer.db")
	o, _ := operate(t, c, false)
	_, err := o.ClearOverride(t.Context(), "default/"+nobody)
	require.NoError(t, err)
	assert.NoFileExists(t, c.Store.Path)

	o.say(t, "default/"+nobody, balancer.Override{State: balancer.Drain})
	other, err := bolt.Open(t.Context(), bolt.Options{Path: c.Store.Path, ConnectTimeout: time.Millisecond, Timeout: time.Minute})
	require.NoError(t, err, "nobody holds it")
	began := time.Now()
	status, err := o.Override(t.Context(), "default/"+nobody, balancer.Override{State: balancer.Maint})
	require.NoError(t, err)
	assert.Less(t, time.Since(began), c.Store.Timeout, "the response doesn't wait for a store that is away")
	assert.Equal(t, balancer.Maint, status.State)
	assert.False(t, status.Stored)
	require.NoError(t, other.Close())
	require.NoError(t, o.overrides.Flush(t.Context()))
	assert.True(t, o.pools.status()[0].Stored)
}

// With the memory driver overrides count, and it is said that they aren't stored.
func TestOverridesInMemory(t *testing.T) {
	c := poolsConfig(nobody)
	c.Store.Driver = config.StoreMemory
	o, _ := operate(t, c, true)
	status, err := o.Override(t.Context(), "default/"+nobody, balancer.Override{State: balancer.Drain})
	require.NoError(t, err)
	assert.Equal(t, balancer.Drain, status.State)
	assert.False(t, status.Stored)
}

// Overrides move with the store, and those that the other one has count too.
func TestOverridesMoveToAnotherStore(t *testing.T) {
	c := poolsConfig("http://127.0.0.1:1", "http://127.0.0.1:2")
	c.Store.Path = filepath.Join(t.TempDir(), "second.db")
	o, stop := operate(t, c, false)
	o.say(t, "default/http://127.0.0.1:2", balancer.Override{Weight: 5})
	stop()

	c.Store.Driver = config.StoreMemory
	o, _ = operate(t, c, false)
	_, err := o.Override(t.Context(), "default/http://127.0.0.1:1", balancer.Override{Weight: 3})
	require.NoError(t, err)
	first := c.Store
	first.Driver, first.Path = config.StoreBolt, filepath.Join(t.TempDir(), "first.db")
	require.Nil(t, o.overrides.use(first, nil), "nothing was in memory's")
	require.NoError(t, o.overrides.Flush(t.Context()))
	assert.True(t, o.pools.status()[0].Stored)

	second := first
	second.Path = c.Store.Path
	former := o.overrides.use(second, nil)
	_, _, err = former.Get(t.Context(), "key")
	assert.ErrorIs(t, err, blob.ErrNotFound, "it isn't closed yet")
	require.NoError(t, former.close())
	require.NoError(t, o.overrides.Flush(t.Context()))
	assert.Equal(t, 3, o.pools.status()[0].Weight)
	assert.Equal(t, 5, o.pools.status()[1].Weight)

	second.Timeout = time.Minute
	require.Nil(t, o.overrides.use(second, nil))
	assert.True(t, o.pools.status()[0].Stored, "it is the same store")
}

// A start that fails after its pools were applied, as with a port that is in use, drops nothing.
func TestOverridesOutliveAStartThatFails(t *testing.T) {
	c := poolsConfig(nobody)
	c.Store.Path = filepath.Join(t.TempDir(), "e.db")
	o, stop := operate(t, c, false)
	o.say(t, "default/"+nobody, balancer.Override{State: balancer.Drain})
	stop()

	failing := newOverrides(nil, zerolog.Nop())
	require.Nil(t, failing.use(c.Store, nil))
	change, err := preparePools(c, nil, sharedByPools{overrides: failing.Overrides}, zerolog.Nop())
	require.NoError(t, err)
	change.apply()
	require.NoError(t, failing.Load(t.Context()))
	require.Equal(t, balancer.Drain, change.pools.status()[0].State)
	change.discard()
	require.NoError(t, failing.close(t.Context()))

	o, _ = operate(t, c, false)
	assert.Equal(t, balancer.Drain, o.pools.status()[0].State)
}

func TestOverrideOfNoBackend(t *testing.T) {
	o, _ := operate(t, poolsConfig(nobody), false)
	for _, id := range []string{"", "default", "default/", "default/http://127.0.0.1:2", "other/" + nobody, nobody} {
		_, err := o.Override(t.Context(), id, balancer.Override{State: balancer.Drain})
		assert.ErrorIs(t, err, balancer.ErrNoBackend, id)
		_, err = o.ClearOverride(t.Context(), id)
		assert.ErrorIs(t, err, balancer.ErrNoBackend, id)
	}
}

// Blobs that can't be opened say why.
func TestLazyBlobsThatCannotBe(t *testing.T) {
	c := config.Default().Store
	c.Path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(c.Path, []byte("not bbolt's"), 0o600))
	b := newLazyBlobs(c, nil, zerolog.Nop())
	_, _, err := b.Get(t.Context(), "key")
	assert.ErrorContains(t, err, "not a bbolt file")
	require.NoError(t, b.close())
	_, err = b.Put(t.Context(), "key", nil, blob.Any)
	assert.ErrorIs(t, err, errBlobsClosed)
	assert.Nil(t, newLazyBlobs(config.Store{Driver: config.StoreMemory}, nil, zerolog.Nop()))
}
