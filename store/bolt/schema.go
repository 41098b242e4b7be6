package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/store"
)

// schemaVersion is the layout that this package writes: a bucket "meta" with the names below, a
// bucket "base" (base.go), and a bucket "recent" (recent.go). Version 1 reserved nothing and didn't
// note how its writer ended. Version 2 had no recent rows. Version 3 had no base, but a bucket
// "buckets" from client_id to value, which stays until all of it is folded.
const schemaVersion = 4

// The names in the file.
const (
	metaName    = "meta"
	baseName    = "base"
	bucketsName = "buckets"
	recentName  = "recent"
	versionName = "version" // the layout
	stoppedName = "stopped" // Stopped of the last batch, in Unix microseconds; 0 is the zero time
	foldedName  = "folded"  // the first client_id of the oldest generation that isn't in the base yet
	epochName   = "epoch"   // how often the file was claimed; a writer that finds another number than its own ends
)

// claimSchema checks the layout, or writes it to an empty file. It returns the new epoch.
func claimSchema(tx *bbolt.Tx) (epoch uint64, err error) {
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
		if tx.Bucket([]byte(bucketsName)) == nil {
			return 0, errNoBuckets
		}
		if err := upgrade(tx, meta); err != nil {
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
	if err := putNumber(meta, stoppedName, 1); err != nil {
		return nil, err
	}
	return meta, upgrade(tx, meta)
}

// upgrade creates the buckets that are missing. It deletes the note of how far the oldest
// generation was folded, which is wrong if the file has older rows.
func upgrade(tx *bbolt.Tx, meta *bbolt.Bucket) error {
	for _, name := range []string{baseName, recentName} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	if err := meta.Delete([]byte(foldedName)); err != nil {
		return err
	}
	return putNumber(meta, versionName, schemaVersion)
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

// stoppedAt is the Stopped of the last batch.
func stoppedAt(tx *bbolt.Tx) (time.Time, error) {
	meta := tx.Bucket([]byte(metaName))
	if meta == nil {
		return time.Time{}, errNoMeta
	}
	micros, _ := number(meta, stoppedName)
	if micros == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(int64(micros)).UTC(), nil
}

// noteStopped changes the note if it differs.
func noteStopped(tx *bbolt.Tx, stopped time.Time) error {
	was, err := stoppedAt(tx)
	if err != nil || was.Equal(stopped) {
		return err
	}
	var micros uint64
	if !stopped.IsZero() {
		micros = uint64(stopped.UnixMicro())
	}
	return putNumber(tx.Bucket([]byte(metaName)), stoppedName, micros)
}
