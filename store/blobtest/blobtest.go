// Package blobtest has the tests that every implementation of store.Blobs must pass.
package blobtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/store"
	"gopher-equalizer/store/blob"
)

// Opener makes a new and empty place for blobs, which only t uses.
type Opener func(t *testing.T) Place

// Place is where blobs are kept.
type Place struct {
	// Open opens the blobs of this place. It may be opened again after a Close.
	Open func(ctx context.Context) (store.Blobs, error)
	// Durable reports whether blobs that are opened again have what was put.
	Durable bool
}

// Run checks every promise of store.Blobs, each in a place of its own.
func Run(t *testing.T, open Opener) {
	f := func(name string, check func(t *testing.T, place Place)) {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
	f("nothing is where nothing was put", nothingWhereNothingWasPut)
	f("a value comes back", aValueComesBack)
	f("a value stays the caller's", aValueStaysTheCallers)
	f("a put wants its revision", aPutWantsItsRevision)
	f("a revision never comes again", aRevisionNeverComesAgain)
	f("of puts at one revision one wins", ofPutsAtOneRevisionOneWins)
	f("a list is in byte order", aListIsInByteOrder)
	f("blobs are a map", blobsAreAMap)
	f("what can't be is refused", whatCantBeIsRefused)
	f("a lock keeps others out", aLockKeepsOthersOut)
	f("a lock ends by itself", aLockEndsByItself)
	f("a lock is one owner's at a time", aLockIsOneOwnersAtATime)
	f("a call whose context is over does nothing", aCallWhoseContextIsOverDoesNothing)
	f("closed blobs refuse", closedBlobsRefuse)
	f("blobs outlive a close", blobsOutliveAClose)
	f("the instance id stays", theInstanceIDStays)
}

// patience is far more than any call takes.
const patience = 20 * time.Second

// client are blobs whose calls must succeed.
type client struct {
	store.Blobs
	t   require.TestingT
	ctx context.Context
}

func open(t *testing.T, place Place) client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	b, err := place.Open(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return client{b, t, ctx}
}

func (c client) put(key, value string, at blob.Revision) blob.Revision {
	now, err := c.Put(c.ctx, key, []byte(value), at)
	require.NoError(c.t, err)
	require.Positive(c.t, now)
	return now
}

func (c client) get(key string) (value string, at blob.Revision) {
	got, at, err := c.Get(c.ctx, key)
	require.NoError(c.t, err)
	return string(got), at
}

func (c client) isNotThere(key string) {
	_, _, err := c.Get(c.ctx, key)
	require.ErrorIs(c.t, err, blob.ErrNotFound)
}

func (c client) list(prefix string) []blob.Info {
	infos, err := c.List(c.ctx, prefix)
	require.NoError(c.t, err)
	return infos
}

func nothingWhereNothingWasPut(t *testing.T, place Place) {
	c := open(t, place)
	c.isNotThere("a")
	require.Empty(t, c.list(""))
	require.NoError(t, c.Delete(c.ctx, "a"))
	require.NoError(t, c.Unlock(c.ctx, "a", "me"))
	c.put("b", "", blob.None)
	c.isNotThere("a")
}

func aValueComesBack(t *testing.T, place Place) {
	c := open(t, place)
	for key, value := range map[string]string{
		"empty":                                 "",
		"binary":                                "\x00\xff\x80\n",
		"large":                                 strings.Repeat("x", blob.MaxValue),
		"key/with 'quotes'\\%_":                 "a",
		strings.Repeat("é", blob.MaxKey/2):      "long key",
		"\x01\n control characters, too \u2028": "b",
	} {
		at := c.put(key, value, blob.None)
		got, is := c.get(key)
		assert.Equal(t, value, got)
		assert.Equal(t, at, is)
		require.NoError(t, c.Delete(c.ctx, key))
		c.isNotThere(key)
	}
}

func aValueStaysTheCallers(t *testing.T, place Place) {
	c := open(t, place)
	value := []byte("value")
	_, err := c.Put(c.ctx, "a", value, blob.None)
	require.NoError(t, err)
	copy(value, "xxxxx")
	got, _, err := c.Get(c.ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "value", string(got))
	copy(got, "yyyyy")
	again, _ := c.get("a")
	require.Equal(t, "value", again)
}

func aPutWantsItsRevision(t *testing.T, place Place) {
	c := open(t, place)
	refused := func(at blob.Revision) {
		t.Helper()
		_, err := c.Put(c.ctx, "a", []byte("refused"), at)
		require.ErrorIs(t, err, blob.ErrRevision)
	}
	refused(1)
	first := c.put("a", "first", blob.None)
	refused(blob.None)
	second := c.put("a", "second", first)
	assert.Greater(t, second, first)
	refused(first)
	refused(second + 1)
	third := c.put("a", "third", blob.Any)
	assert.Greater(t, third, second)
	refused(second)
	value, at := c.get("a")
	assert.Equal(t, "third", value)
	assert.Equal(t, third, at)
	c.put("b", "by any", blob.Any)
}

func aRevisionNeverComesAgain(t *testing.T, place Place) {
	c := open(t, place)
	last := c.put("a", "first", blob.None)
	require.NoError(t, c.Delete(c.ctx, "a"))
	_, err := c.Put(c.ctx, "a", nil, last)
	require.ErrorIs(t, err, blob.ErrRevision, "there is nothing any more")
	again := c.put("a", "again", blob.None)
	assert.Greater(t, again, last)
	_, err = c.Put(c.ctx, "a", nil, last)
	require.ErrorIs(t, err, blob.ErrRevision, "of what was there before")
}

func ofPutsAtOneRevisionOneWins(t *testing.T, place Place) {
	c := open(t, place)
	at := c.put("a", "0", blob.None)
	for range 5 {
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				now, err := c.Put(c.ctx, "a", fmt.Append(nil, i), at)
				if err == nil {
					assert.Zero(t, won.Swap(int64(now)), "two have won")
					return
				}
				assert.ErrorIs(t, err, blob.ErrRevision)
			})
		}
		all.Wait()
		_, is := c.get("a")
		require.Equal(t, won.Load(), int64(is))
		at = is
	}
}

func aListIsInByteOrder(t *testing.T, place Place) {
	c := open(t, place)
	keys := []string{"B", "a", "a%", "a%b", "a/1", "a/10", "a/2", "a_", "ab", "é", "\U0001F600"}
	want := map[string]blob.Info{}
	for _, i := range []int{5, 0, 9, 3, 1, 10, 7, 2, 8, 4, 6} {
		key := keys[i]
		want[key] = blob.Info{Key: key, Revision: c.put(key, strings.Repeat("x", i), blob.None), Size: i}
	}
	for _, prefix := range []string{"", "a", "a%", "a/", "a/1", "a_", "é", "none", "é"[:1], "a\xff", "\xffa", "a\x00"} {
		infos := []blob.Info{}
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				infos = append(infos, want[key])
			}
		}
		assert.Equal(t, infos, append([]blob.Info{}, c.list(prefix)...), "prefix %q", prefix)
	}
}

func blobsAreAMap(t *testing.T, place Place) {
	blobs := open(t, place)
	rapid.Check(t, func(t *rapid.T) {
		c := client{blobs.Blobs, t, blobs.ctx}
		for _, info := range c.list("") {
			require.NoError(t, c.Delete(c.ctx, info.Key))
		}
		type is struct {
			value string
			at    blob.Revision
		}
		want := map[string]is{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "ba", "c"}).Draw(t, "key")
			value := rapid.StringN(0, 10, 40).Draw(t, "value")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				require.NoError(t, c.Delete(c.ctx, key))
				delete(want, key)
			case 1:
				want[key] = is{value, c.put(key, value, blob.Any)}
			default:
				want[key] = is{value, c.put(key, value, want[key].at)}
			}
		}
		var keys []string
		for _, info := range c.list("") {
			keys = append(keys, info.Key)
			value, at := c.get(info.Key)
			require.Equal(t, want[info.Key], is{value, at})
			require.Equal(t, blob.Info{Key: info.Key, Revision: at, Size: len(value)}, info)
		}
		require.Equal(t, slices.Sorted(maps.Keys(want)), keys)
	})
}

func whatCantBeIsRefused(t *testing.T, place Place) {
	c := open(t, place)
	for _, key := range []string{"", strings.Repeat("x", blob.MaxKey+1), "\xff", "a\x00b"} {
		_, err := c.Put(c.ctx, key, nil, blob.Any)
		require.ErrorContains(t, err, "want 1 to 512 bytes", "%q", key)
		require.ErrorContains(t, c.Lock(c.ctx, key, "me", time.Minute), "want 1 to 512 bytes", "%q", key)
		require.ErrorContains(t, c.Lock(c.ctx, "a", key, time.Minute), "want 1 to 512 bytes", "%q", key)
	}
	_, err := c.Put(c.ctx, "a", bytes.Repeat([]byte("x"), blob.MaxValue+1), blob.Any)
	require.ErrorContains(t, err, "want at most 1048576")
	require.Empty(t, c.list(""))
}

func aLockKeepsOthersOut(t *testing.T, place Place) {
	c := open(t, place)
	require.NoError(t, c.Lock(c.ctx, "a", "me", time.Hour))
	require.ErrorIs(t, c.Lock(c.ctx, "a", "other", time.Hour), blob.ErrLocked)
	require.NoError(t, c.Lock(c.ctx, "b", "other", time.Hour), "another lock")
	require.NoError(t, c.Lock(c.ctx, "a", "me", 2*time.Hour), "its owner extends it")
	require.NoError(t, c.Unlock(c.ctx, "a", "other"))
	require.ErrorIs(t, c.Lock(c.ctx, "a", "other", time.Hour), blob.ErrLocked, "only its owner gives it back")
	require.NoError(t, c.Unlock(c.ctx, "a", "me"))
	require.NoError(t, c.Lock(c.ctx, "a", "other", time.Hour))
	require.Empty(t, c.list(""), "a lock is no blob")
}

// A lock that nobody releases, since its owner died, ends after its time and not before.
func aLockEndsByItself(t *testing.T, place Place) {
	c := open(t, place)
	const ttl = 300 * time.Millisecond
	taken := time.Now()
	require.NoError(t, c.Lock(c.ctx, "a", "dead", ttl))
	for {
		err := c.Lock(c.ctx, "a", "me", time.Hour)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, blob.ErrLocked)
	}
	require.GreaterOrEqual(t, time.Since(taken), ttl)
	require.ErrorIs(t, c.Lock(c.ctx, "a", "dead", time.Hour), blob.ErrLocked)
}

func aLockIsOneOwnersAtATime(t *testing.T, place Place) {
	c := open(t, place)
	var holders atomic.Int64
	var all sync.WaitGroup
	for i := range 3 {
		owner := fmt.Sprint("owner ", i)
		all.Go(func() {
			for n := 0; n < 5; {
				err := c.Lock(c.ctx, "a", owner, time.Hour)
				if err != nil {
					if !assert.ErrorIs(t, err, blob.ErrLocked) {
						return
					}
					continue
				}
				assert.Equal(t, int64(1), holders.Add(1))
				holders.Add(-1)
				assert.NoError(t, c.Unlock(c.ctx, "a", owner))
				n++
			}
		})
	}
	all.Wait()
}

func aCallWhoseContextIsOverDoesNothing(t *testing.T, place Place) {
	c := open(t, place)
	at := c.put("a", "is", blob.None)
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err := c.Put(ended, "a", nil, at)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, c.Delete(ended, "a"), context.Canceled)
	require.ErrorIs(t, c.Lock(ended, "a", "me", time.Hour), context.Canceled)
	_, _, err = c.Get(ended, "a")
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.List(ended, "")
	require.ErrorIs(t, err, context.Canceled)
	value, is := c.get("a")
	require.Equal(t, "is", value)
	require.Equal(t, at, is)
	require.NoError(t, c.Lock(c.ctx, "a", "other", time.Hour))
}

func closedBlobsRefuse(t *testing.T, place Place) {
	c := open(t, place)
	c.put("a", "", blob.None)
	require.NoError(t, c.Close())
	_, _, err := c.Get(c.ctx, "a")
	require.ErrorIs(t, err, store.ErrClosed)
	_, err = c.Put(c.ctx, "a", nil, blob.Any)
	require.ErrorIs(t, err, store.ErrClosed)
	require.NotErrorIs(t, err, blob.ErrInDoubt)
	require.NoError(t, c.Close(), "a second time")
}

func blobsOutliveAClose(t *testing.T, place Place) {
	c := open(t, place)
	at := c.put("a", "value", blob.None)
	require.NoError(t, c.Lock(c.ctx, "a", "me", time.Hour))
	require.NoError(t, c.Close())
	if !place.Durable {
		return
	}
	c = open(t, place)
	value, is := c.get("a")
	assert.Equal(t, "value", value)
	assert.Equal(t, at, is)
	assert.Greater(t, c.put("b", "", blob.None), at)
	require.ErrorIs(t, c.Lock(c.ctx, "a", "other", time.Hour), blob.ErrLocked)
}

func theInstanceIDStays(t *testing.T, place Place) {
	c := open(t, place)
	ids := make([]string, 4)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			var err error
			ids[i], err = store.InstanceID(c.ctx, c)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	require.NotEmpty(t, ids[0])
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}
