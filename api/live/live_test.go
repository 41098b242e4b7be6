package live

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// merge is RFC 7396's MergePatch, written from its section 2.
func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range changes {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = merge(object[name], value)
		}
	}
	return object
}

// anyValue draws JSON values with few names, so that two of them have much in common.
func anyValue(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Map(rapid.IntRange(0, 3), func(n int) any { return n }),
		rapid.Map(rapid.SampledFrom([]string{"", "a", "<script>"}), func(s string) any { return s }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	}
	if depth > 0 {
		leaves = append(leaves,
			rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 3), func(s []any) any { return s }),
			rapid.Map(anyObject(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(leaves...)
}

func anyObject(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), anyValue(depth), 0, 4)
}

// What a watcher has patched is what there is.
func TestPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, err := StateOf(anyObject(3).Draw(t, "was"))
		require.NoError(t, err)
		is, err := StateOf(anyObject(3).Draw(t, "is"))
		require.NoError(t, err)
		text, err := json.Marshal(Patch(was, is))
		require.NoError(t, err)
		change, err := readPatch(text)
		require.NoError(t, err)
		assert.Equal(t, map[string]any(is), merge(map[string]any(was), change))
		assert.Empty(t, Patch(is, is))
		Merge(was, change)
		assert.Equal(t, is, was)
	})
}

// readPatch reads a patch, whose nulls count.
func readPatch(text []byte) (map[string]any, error) {
	var change map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return change, decoder.Decode(&change)
}

func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		assert.False(t, f.Watched())
		for i := range Kept + 5 {
			f.Add(Point{At: int64(i)}, nil)
		}
		w, other := f.Watch(2), f.Watch(2)
		assert.Nil(t, f.Watch(2), "more than there may be")
		assert.True(t, f.Watched())
		history := w.History()
		require.Len(t, history, Kept)
		assert.EqualValues(t, 5, history[0].At)
		assert.EqualValues(t, Kept+4, history[Kept-1].At)

		taken := make(chan Change)
		go func() {
			change, err := w.Next(t.Context())
			assert.NoError(t, err)
			taken <- change
		}()
		synctest.Wait() // It waits for the next sample.
		f.Add(Point{At: 10_000}, State{"a": 1, "b": State{}})
		change := <-taken
		assert.EqualValues(t, 10_000, change.Point.At)
		assert.Equal(t, State{"a": 1, "b": State{}}, change.Patch)

		// A slow one misses samples.
		f.Add(Point{At: 10_001}, State{"a": 2, "b": State{}})
		f.Add(Point{At: 10_002}, State{"a": 3, "b": State{}})
		change, err := w.Next(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 10_002, change.Point.At)
		assert.Equal(t, State{"a": 3}, change.Patch)

		ended, end := context.WithCancel(t.Context())
		end()
		_, err = w.Next(ended)
		assert.ErrorIs(t, err, context.Canceled)
		w.Close()
		other.Close()
		assert.False(t, f.Watched())
	})
}
