package bolt

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/storetest"
)

// edit changes a bbolt file with bbolt alone.
func edit(t *testing.T, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	require.NoError(t, err)
	require.NoError(t, db.Update(change))
	require.NoError(t, db.Close())
}

// filled is the path of a store with some records in it.
func filled(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	s, err := Open(t.Context(), options(path))
	require.NoError(t, err)
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(2000)})
	require.NoError(t, s.Close())
	return path
}

// openError is the error of Open for a file that it must refuse, at once.
func openError(t *testing.T, path string) error {
	t.Helper()
	s, err := Open(t.Context(), options(path))
	require.Error(t, err)
	require.Nil(t, s)
	require.ErrorContains(t, err, "store "+path+": ")
	return err
}

func TestFilesThatAreRefused(t *testing.T) {
	f := func(name string, make func(path string), why string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "equalizer.db")
		make(path)
		require.ErrorContains(t, openError(t, path), why, name)
	}
	write := func(text string) func(string) {
		return func(path string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	}
	f("a short text", write("hello"), "not a bbolt file")
	f("a long text", write(string(make([]byte, 1<<20))), "not a bbolt file")
	f("a directory", func(path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "is a directory")
	f("another program's", func(path string) {
		edit(t, path, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("users"))
			return err
		})
	}, `of another program (it has a bucket "users")`)
	f("no version", func(path string) {
		edit(t, path, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte(metaName))
			return err
		})
	}, "no schema version")
}

func TestADirectoryThatCanNotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, openError(t, filepath.Join(file, "data", "equalizer.db")), "not a directory")
}

func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	path := filled(t)
	edit(t, path, func(tx *bbolt.Tx) error { return putNumber(tx.Bucket([]byte(metaName)), versionName, schemaVersion+1) })
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.ErrorContains(t, openError(t, path), "newer version of this program: its schema is 6, and this one knows up to 5")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// asVersion3 turns the file into what version 3 would have left: rows with a key of their own, and
// newer ones of every third client, which are recent and almost folded.
func asVersion3(t *testing.T, path string) {
	edit(t, path, func(tx *bbolt.Tx) error {
		c, err := contentsOf(tx)
		require.NoError(t, err)
		require.Len(t, c.generations, 1)
		rows, err := c.rowsFrom(nil)
		require.NoError(t, err)
		old, err := tx.CreateBucket([]byte(bucketsName))
		require.NoError(t, err)
		var newer []change
		for i := 0; ; i++ {
			one, err := rows.next()
			require.NoError(t, err)
			if one.key == nil {
				break
			}
			if i%3 == 0 {
				newer = append(newer, one)
				one.value = slices.Clone(one.value)
				one.value[0] ^= flagManaged // is out of date
			}
			require.NoError(t, old.Put(one.key, one.value))
		}
		require.NoError(t, tx.DeleteBucket([]byte(baseName)))
		recent, err := c.recent.CreateBucket([]byte("87654321"))
		require.NoError(t, err)
		require.NoError(t, generation{nil, recent}.append(0, newer, usualPace()))
		require.NoError(t, c.recent.DeleteBucket(c.generations[0].name))
		require.NoError(t, c.meta.Put([]byte(foldedName), []byte("m")))
		return putNumber(c.meta, versionName, 3)
	})
}

// A file of version 3 has all its rows from the beginning. Writes move them into the base, within
// mostRuns writes however small these are.
func TestAFileOfVersion3(t *testing.T) {
	path := filled(t)
	s := open(t, path)
	want := storetest.Load(t, s)
	require.NoError(t, s.Close())
	asVersion3(t, path)
	s = open(t, path)
	s.pace.mostRuns = 8
	hasOld := func() (has bool) {
		require.NoError(t, s.db.View(func(tx *bbolt.Tx) error { has = tx.Bucket([]byte(bucketsName)) != nil; return nil }))
		return has
	}
	gone := storetest.Records(2000)[1].ClientID
	storetest.Write(t, s, limiter.Batch{Deletes: storetest.Keys(gone)})
	delete(want, gone)
	for i := 0; hasOld(); i++ {
		require.Less(t, i, int(s.pace.mostRuns))
		require.Equal(t, want, storetest.Load(t, s))
		_, found := storetest.Get(t, s, gone)
		require.False(t, found)
		r := storetest.Records(2000)[2]
		r.Tokens = float64(i % 5)
		want[r.ClientID] = r
		storetest.Write(t, s, limiter.Batch{Puts: []limiter.Record{r}})
	}
	require.Equal(t, want, storetest.Load(t, s))
	require.NoError(t, s.Close())
	require.Equal(t, want, storetest.Load(t, open(t, path)))
}

// It is unknown how the writer of a file of version 1 ended.
func TestAFileOfVersion1(t *testing.T) {
	path := filled(t)
	asVersion3(t, path)
	edit(t, path, func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaName))
		require.NoError(t, meta.Delete([]byte(stoppedName)))
		require.NoError(t, tx.DeleteBucket([]byte(recentName)))
		return putNumber(meta, versionName, 1)
	})
	s := open(t, path)
	require.Len(t, storetest.Load(t, s), 2000)
	require.Equal(t, []limiter.Namespace{{ID: 1}}, storetest.Namespaces(t, s))
	require.NoError(t, s.db.View(func(tx *bbolt.Tx) error {
		version, _ := number(tx.Bucket([]byte(metaName)), versionName)
		require.Equal(t, uint64(schemaVersion), version)
		return nil
	}))
	storetest.Write(t, s, limiter.Batch{Deletes: storetest.Keys(storetest.Records(1)[0].ClientID)})
	require.Len(t, storetest.Load(t, s), 1999)
}

// A file that lost a bucket must not pass for one in which nothing is stored.
func TestFilesWithoutTheirBuckets(t *testing.T) {
	f := func(name string, old bool) {
		path := filled(t)
		if old {
			asVersion3(t, path)
		}
		edit(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(name)) })
		s, err := Open(t.Context(), options(path))
		if err == nil {
			err = s.Load(t.Context(), 1, func(limiter.Record) error { return nil })
			require.NoError(t, s.Close())
		}
		require.ErrorIs(t, err, errNoBuckets, name)
	}
	f(baseName, false)
	f(recentName, false)
	f(namespacesName, false)
	f(bucketsName, true)
}

func TestADamagedRecordIsNamed(t *testing.T) {
	path := filled(t)
	clientID := "damaged"
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(baseName)).Put([]byte(clientID), appendRow(nil, change{[]byte(clientID), []byte("garbage")}))
	})
	s := open(t, path)
	require.ErrorContains(t, s.Load(t.Context(), 1, func(limiter.Record) error { return nil }), clientID)
	_, _, err := s.Get(t.Context(), storetest.Keys(clientID)[0])
	require.ErrorContains(t, err, clientID)
	require.ErrorContains(t, err, path)
	storetest.Get(t, s, storetest.Records(1)[0].ClientID)
}
