package bolt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/storetest"
)

// used opens a file with these contents, reads all of it, writes to it, and returns the first
// error.
func used(t *testing.T, path string, contents []byte) error {
	t.Helper()
	require.NoError(t, os.WriteFile(path, contents, 0o600))
	o := options(path)
	o.ConnectTimeout, o.Timeout = time.Second, 2*time.Second
	s, err := Open(t.Context(), o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // a job that runs for ever because of the damage keeps the file
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Load(ctx, 1, func(limiter.Record) error { return nil }); err != nil {
		return err
	}
	return s.Write(ctx, limiter.Batch{Puts: storetest.Records(30)})
}

// tellsWhatToDo demands an error that names the file and what to do about it.
func tellsWhatToDo(t *testing.T, err error, path, name string) {
	t.Helper()
	assert.ErrorContains(t, err, "store "+path+": ", name)
	assert.ErrorIs(t, err, errDamaged, name)
	assert.ErrorContains(t, err, "restore it from a copy, or move it away to start afresh", name)
	showsNoInsides(t, err, name)
}

func showsNoInsides(t *testing.T, err error, name string) {
	t.Helper()
	for _, inside := range []string{"runtime error", "nil pointer", "goroutine", "panic", ".go:"} {
		assert.NotContains(t, fmt.Sprint(err), inside, name)
	}
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// Any damage of the file is an error that names what to do about it, whether this package finds it,
// or bbolt (which panics), or the memory map (which faults).
func TestDamagedFiles(t *testing.T) {
	good, page := bytesOf(t, filled(t)), os.Getpagesize()
	path := filepath.Join(t.TempDir(), "equalizer.db")
	f := func(name string, data []byte) {
		t.Helper()
		tellsWhatToDo(t, used(t, path, data), path, name)
	}
	with := func(at, n int, value byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:at+n], bytes.Repeat([]byte{value}, n))
		return data
	}
	for _, size := range []int{1, 16, page - 1, page, page + 1, 2*page - 1, 2 * page, 2*page + 1, 3 * page, 4 * page, len(good) / 2} {
		f(fmt.Sprintf("cut off after %d bytes", size), good[:size])
	}
	f("a text", []byte("#!/bin/sh\necho hello\n"))
	f("a long text", bytes.Repeat([]byte("hello\n"), 1<<16))
	f("another database", append([]byte("SQLite format 3\x00"), make([]byte, 1<<16)...))
	f("zeroes", make([]byte, 1<<16))
	f("no magic", func() []byte {
		data := with(16, 4, 0)
		copy(data[page+16:], []byte{0, 0, 0, 0})
		return data
	}())
	f("no good checksum", func() []byte {
		data := with(64, 8, 7)
		copy(data[page+64:], bytes.Repeat([]byte{7}, 16))
		return data
	}())
	f("pages of zeroes", with(2*page, len(good)-2*page, 0))
	f("pages of ones", with(2*page, len(good)-2*page, 0xff))
	f("a record", bytesOf(t, withGarbage(t)))
	for _, bucket := range []string{baseName, recentName, metaName} {
		emptied := filled(t)
		edit(t, emptied, func(tx *bbolt.Tx) error {
			if err := tx.DeleteBucket([]byte(bucket)); err != nil || bucket != metaName {
				return err
			}
			_, err := tx.CreateBucket([]byte(bucket))
			return err
		})
		f("no "+bucket, bytesOf(t, emptied))
	}
	replaced := filled(t)
	edit(t, replaced, func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte(baseName)); err != nil {
			return err
		}
		_, err := tx.Bucket([]byte(recentName)).CreateBucket([]byte("a bucket where a piece of rows was"))
		return err
	})
	f("a bucket among the rows", bytesOf(t, replaced))
	require.NoError(t, used(t, path, good), "the file that all these were made of")
}

// withGarbage is the path of a store with an invalid record.
func withGarbage(t *testing.T) string {
	t.Helper()
	path, clientID := filled(t), []byte("damaged")
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(baseName)).Put(clientID, appendRow(nil, change{clientID, []byte("garbage")}))
	})
	return path
}

// One damaged meta page costs the last transaction, not the file.
func TestOneDamagedMetaPage(t *testing.T) {
	good, page := bytesOf(t, filled(t)), os.Getpagesize()
	path := filepath.Join(t.TempDir(), "equalizer.db")
	for n := range 2 {
		data := bytes.Clone(good)
		copy(data[n*page:(n+1)*page], make([]byte, page))
		require.NoError(t, used(t, path, data))
	}
}

// The runtime's text about a damaged page is in the log, for those who look for faults of ours.
func TestStumblingIsLogged(t *testing.T) {
	good, page := bytesOf(t, filled(t)), os.Getpagesize()
	path := filepath.Join(t.TempDir(), "equalizer.db")
	require.NoError(t, os.WriteFile(path, good[:2*page+1], 0o600))
	var log bytes.Buffer
	o := options(path)
	o.Logger = zerolog.New(&log)
	_, err := Open(t.Context(), o)
	tellsWhatToDo(t, err, path, "cut off")
	require.Contains(t, log.String(), `"level":"debug"`)
	require.Contains(t, log.String(), "goroutine")
}
