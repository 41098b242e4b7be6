package leasetest

import (
	"sync"
	"testing"
	"time"
)

func TestBook(t *testing.T) {
	Run(t, func(*testing.T) Place {
		var mu sync.Mutex
		now := time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC)
		b := NewBook(func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		})
		return Place{
			Ledger: b, Other: b,
			Pass: func(_ *testing.T, d time.Duration) { b.age(d) },
			Expire: func(_ *testing.T, id int64) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.members[id].Expires = b.now().Add(-1)
			},
		}
	})
}

// age has buckets be older.
func (b *Book) age(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.buckets {
		k.At, k.DiedAt = k.At.Add(-d), k.DiedAt.Add(-d)
	}
}
