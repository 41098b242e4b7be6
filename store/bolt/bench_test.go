package bolt

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// BenchmarkLargeDrop measures the transaction that drops a generation with as many runs of usual
// batches as it can get while the one before it is folded. It writes a gigabyte.
func BenchmarkLargeDrop(b *testing.B) {
	p := usualPace()
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "equalizer.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() })
	update := func(do func(c *contents) error) {
		require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			if err != nil {
				return err
			}
			return do(c)
		}))
	}
	require.NoError(b, db.Update(func(tx *bbolt.Tx) error { _, err := claimSchema(tx, nil); return err }))
	batch := make([]change, 10_000)
	for b.Loop() {
		b.StopTimer()
		for run := range 2 * p.mostRuns {
			for i := range batch {
				batch[i] = change{fmt.Appendf(nil, "client-%09d", uint32(i)*2*p.mostRuns+run), make([]byte, 28)}
			}
			update(func(c *contents) error {
				if run == 0 {
					_, err := c.recent.CreateBucket([]byte("00000000"))
					require.NoError(b, err)
					return nil
				}
				return c.generations[0].append(run, batch, p)
			})
		}
		b.StartTimer()
		update(func(c *contents) error { return c.drop(nil, p) })
	}
}
