package bolt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// After any changes in any steps, the base equals a map, and its chunks are as large as they should
// be.
func TestTheBaseIsAMap(t *testing.T) {
	db := scratch(t)
	clients := make([]string, 200)
	for i := range clients {
		clients[i] = fmt.Sprintf("client-%03d", i)
	}
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, db.Update(empty))
		const size = 400
		model := map[string][]byte{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			from := rapid.IntRange(0, len(clients)-1).Draw(t, "from")
			to := rapid.IntRange(from+1, len(clients)).Draw(t, "to")
			every := rapid.IntRange(1, 20).Draw(t, "every")
			deletes := rapid.Bool().Draw(t, "deletes")
			var batch []change
			for i := from; i < to; i += every {
				one := change{key: []byte(clients[i])}
				if deletes {
					delete(model, clients[i])
				} else {
					one.value = rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "value")
					model[clients[i]] = one.value
				}
				batch = append(batch, one)
			}
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				return base{tx.Bucket([]byte(baseName))}.apply(batch, size)
			}))
			require.NoError(t, db.View(func(tx *bbolt.Tx) error {
				requireBase(t, base{tx.Bucket([]byte(baseName))}, model, size)
				return nil
			}))
		}
	})
}

// requireBase demands these rows, in chunks that are at most size and, except the last one, not
// much smaller.
func requireBase(t require.TestingT, b base, model map[string][]byte, size int) {
	var got []string
	cursor := b.Cursor()
	key, chunk := cursor.First()
	for key != nil {
		next, nextChunk := cursor.Next()
		require.LessOrEqual(t, len(chunk), size+usualSize)
		if next != nil {
			require.GreaterOrEqual(t, len(chunk), size/4-usualSize)
		}
		require.NotEmpty(t, chunk)
		for len(chunk) > 0 {
			row, rest, err := cutRow(chunk)
			require.NoError(t, err)
			require.LessOrEqual(t, bytes.Compare(key, row.key), 0)
			require.True(t, next == nil || bytes.Compare(row.key, next) < 0)
			got = append(got, string(row.key))
			require.Equal(t, model[string(row.key)], row.value)
			chunk = rest
		}
		key, chunk = next, nextChunk
	}
	require.True(t, slices.Equal(slices.Sorted(maps.Keys(model)), got), "%q", got)
}

// A change rewrites only its own chunk, as long as that isn't too small.
func TestAChangeLeavesOtherChunksAlone(t *testing.T) {
	db := scratch(t)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b := base{tx.Bucket([]byte(baseName))}
		const size = 1000
		var all []change
		for i := range 1000 {
			all = append(all, change{fmt.Appendf(nil, "client-%04d", i), make([]byte, 20)})
		}
		require.NoError(t, b.apply(all, size))
		for _, one := range all {
			s, err := b.spanOf([]change{one}, size, nil)
			require.NoError(t, err)
			require.Len(t, s.keys, 1)
		}
		return nil
	}))
}

func TestChunksAreSplitEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "rows")
		size := rapid.IntRange(1, 2000).Draw(t, "size")
		var chunk []byte
		for i := range n {
			chunk = appendRow(chunk, change{fmt.Appendf(nil, "%04d", i), []byte("value")})
		}
		pieces, err := split(chunk, size)
		require.NoError(t, err)
		require.True(t, bytes.Equal(chunk, bytes.Join(pieces, nil)))
		const row = 11
		for _, piece := range pieces {
			require.NotEmpty(t, piece)
			require.LessOrEqual(t, len(piece), size+row)
			if len(pieces) > 1 && size > 2*row {
				require.Greater(t, len(piece), size/2-len(pieces)*row)
			}
		}
	})
}
