package bolt

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
)

// schemaVersion is the layout that this package writes: a bucket "meta" with the names below, a
// bucket "namespaces" (key.go), a bucket "base" (base.go), and a bucket "recent" (recent.go).
// Version 1 reserved nothing and didn't note how its writer ended. Version 2 had no recent rows.
// Version 3 had no base, but a bucket "buckets" from client_id to value, which stays until all of
// it is folded. Version 4 had no namespaces. Its rows are those of the first one, and its "meta"
// has how the writer ended.
const schemaVersion, lastWithoutNamespaces = 5, 4

// The names in the file.
const (
	metaName    = "meta"
	baseName    = "base"
	bucketsName = "buckets"
	recentName  = "recent"
	versionName = "version" // the layout
	stoppedName = "stopped" // up to version 4: Stopped of the namespace, in Unix microseconds
	foldedName  = "folded"  // the first client_id of the oldest generation that isn't in the base yet
	epochName   = "epoch"   // how often the file was claimed; a writer that finds another number than its own ends
)

// claimSchema checks the layout, or writes it to an empty file. It returns the new epoch, or
// heirless if that isn't nil and there are rows that no limit is to have.
func claimSchema(tx *bbolt.Tx, heirless error) (epoch uint64, err error) {
	meta := tx.Bucket([]byte(metaName))
	if meta == nil {
		if meta, err = initSchema(tx); err != nil {
			return 0, err
		}
	}
	version, err := checkVersion(meta)
	if err != nil {
		return 0, err
	}
	if version < schemaVersion {
		if heirless != nil && hasRows(tx) {
			return 0, heirless
		}
		if err := upgradeFrom(version, tx, meta); err != nil {
			return 0, err
		}
	}
	epoch, _ = number(meta, epochName)
	return epoch + 1, putNumber(meta, epochName, epoch+1)
}

func initSchema(tx *bbolt.Tx) (meta *bbolt.Bucket, err error) {
	if name, _ := tx.Cursor().First(); name != nil {
		return nil, fmt.Errorf("a bbolt file of another program (it has a bucket %q): choose another path", name)
	}
	if meta, err = tx.CreateBucket([]byte(metaName)); err != nil {
		return nil, err
	}
	return meta, createBuckets(tx, meta)
}

// createBuckets creates those that are missing.
func createBuckets(tx *bbolt.Tx, meta *bbolt.Bucket) error {
	for _, name := range []string{baseName, recentName, namespacesName} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return putNumber(meta, versionName, schemaVersion)
}

// upgradeFrom an older version puts its rows under a namespace that has no name yet. It deletes the
// note of how far the oldest generation was folded, if that is of a time before the file had the
// oldest rows.
func upgradeFrom(version uint64, tx *bbolt.Tx, meta *bbolt.Bucket) error {
	needed := []string{baseName, recentName}
	if version < lastWithoutNamespaces {
		needed = []string{bucketsName}
		if err := meta.Delete([]byte(foldedName)); err != nil {
			return err
		}
	}
	for _, name := range needed {
		if tx.Bucket([]byte(name)) == nil {
			return errNoBuckets
		}
	}
	if err := createBuckets(tx, meta); err != nil {
		return err
	}
	stopped, _ := number(meta, stoppedName)
	unnamed := limiter.Namespace{ID: firstNamespace, Stopped: timeOf(int64(stopped))}
	if err := putNamespace(tx.Bucket([]byte(namespacesName)), unnamed); err != nil {
		return err
	}
	return meta.Delete([]byte(stoppedName))
}

// hasRows reports whether a file of an older version may have any.
func hasRows(tx *bbolt.Tx) bool {
	for _, name := range []string{baseName, recentName, bucketsName} {
		if b := tx.Bucket([]byte(name)); b != nil {
			if key, _ := b.Cursor().First(); key != nil {
				return true
			}
		}
	}
	return false
}

func checkVersion(meta *bbolt.Bucket) (version uint64, err error) {
	version, ok := number(meta, versionName)
	switch {
	case !ok:
		return 0, fmt.Errorf("%w, or it is another program's: no schema version in it", errDamaged)
	case version > schemaVersion:
		return 0, fmt.Errorf("written by a newer version of this program: its schema is %d, and this one knows up to %d; upgrade", version, schemaVersion)
	}
	return version, nil
}

// checkSchema returns an error if another writer has claimed the file since.
func checkSchema(tx *bbolt.Tx, epoch uint64) error {
	meta := tx.Bucket([]byte(metaName))
	if meta == nil {
		return fmt.Errorf("%w: the file was replaced", store.ErrSuperseded)
	}
	if now, _ := number(meta, epochName); now != epoch {
		return fmt.Errorf("%w: the file was claimed for the time %d, this process had claimed it for the time %d", store.ErrSuperseded, now, epoch)
	}
	return nil
}

func number(b *bbolt.Bucket, name string) (n uint64, ok bool) {
	value := b.Get([]byte(name))
	if len(value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), true
}

func putNumber(b *bbolt.Bucket, name string, n uint64) error {
	return b.Put([]byte(name), binary.BigEndian.AppendUint64(nil, n))
}
