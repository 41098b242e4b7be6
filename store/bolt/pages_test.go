package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// bbolt would read pages that lead back to themselves for ever, and free as many pages as a page
// claims to take.
func TestPagesThatLeadBack(t *testing.T) {
	source := filled(t)
	edit(t, source, func(tx *bbolt.Tx) error {
		base := tx.Bucket([]byte(baseName))
		for i := range 1000 {
			clientID := fmt.Appendf(nil, "client-%04d", i)
			if err := base.Put(clientID, appendRow(nil, change{clientID, nil})); err != nil {
				return err
			}
		}
		return nil
	})
	var root int
	edit(t, source, func(tx *bbolt.Tx) error {
		root = int(tx.Bucket([]byte(baseName)).Root())
		return nil
	})
	good, size := bytesOf(t, source), os.Getpagesize()
	require.EqualValues(t, branchPage, good[root*size+pageFlags], "the rows take several pages")
	overflown := 0
	path := filepath.Join(t.TempDir(), "equalizer.db")
	child := func(n int) int { return root*size + pageHead + n*elementSize + branchChild }
	second := binary.NativeEndian.Uint64(good[child(1):])
	for name, to := range map[string]uint64{"to itself": uint64(root), "to a sibling": second} {
		data := bytes.Clone(good)
		binary.NativeEndian.PutUint64(data[child(0):], to)
		err := used(t, path, data)
		tellsWhatToDo(t, err, path, name)
		require.ErrorContains(t, err, fmt.Sprintf("page %d is in use twice", to))
	}
	for id := 2; id < len(good)/size; id++ {
		data, at := bytes.Clone(good), id*size
		if kind := kindOf(data[at:]); !slices.Contains([]uint16{branchPage, leafPage, freelistPage}, kind) {
			continue // bbolt uses the meta page before it.
		}
		binary.NativeEndian.PutUint32(data[at+pageOverflow:], 1<<31)
		if err := used(t, path, data); err != nil {
			overflown++
			tellsWhatToDo(t, err, path, fmt.Sprint(id))
		}
	}
	assert.Greater(t, overflown, 3, "the freelist's page, and those of each bucket")
	require.NoError(t, used(t, path, good), "the file that both were made of")
}

// bbolt would overwrite pages that are in use, or write far behind the file's end.
func TestDamagedFreelist(t *testing.T) {
	source := filled(t)
	good, size := bytesOf(t, source), os.Getpagesize()
	path := filepath.Join(t.TempDir(), "equalizer.db")
	lists := 0
	for id := 2; id < len(good)/size; id++ {
		at := id * size
		if kindOf(good[at:]) != freelistPage || binary.NativeEndian.Uint64(good[at:]) != uint64(id) {
			continue
		}
		for _, number := range []uint64{0, uint64(id), 1 << 40} {
			data := bytes.Clone(good)
			binary.NativeEndian.PutUint16(data[at+pageCount:], 1)
			binary.NativeEndian.PutUint64(data[at+pageHead:], number)
			if err := used(t, path, data); err != nil { // Otherwise the list is of an earlier commit.
				lists++
				tellsWhatToDo(t, err, path, fmt.Sprint(number))
				assert.ErrorContains(t, err, fmt.Sprintf("page %d is listed as free", number))
			}
		}
	}
	assert.Equal(t, 3, lists)
}
