package acme

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/assert"
)

// However many ask, the store is asked seldom, and a challenge that is there before an authority
// asks is found.
func TestLookupsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var looks int
		there := map[string]acme.Challenge{}
		all := newLookups(func(_ context.Context, hosts map[string]bool) map[string]acme.Challenge {
			mu.Lock()
			looks++
			found := map[string]acme.Challenge{}
			for host := range hosts {
				if c, ok := there[host]; ok {
					found[host] = c
				}
			}
			mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			return found
		})
		ctx, stop := context.WithCancel(t.Context())
		var others sync.WaitGroup
		for range 100 {
			others.Go(func() {
				for ctx.Err() == nil {
					_, ok := all.find(ctx, "other.test")
					assert.False(t, ok)
				}
			})
		}
		const seconds = 10
		for range seconds {
			time.Sleep(time.Second)
			_, ok := all.find(ctx, "one.test")
			assert.False(t, ok)
			mu.Lock()
			there["one.test"] = acme.Challenge{Token: "token"}
			mu.Unlock()
			c, ok := all.find(ctx, "one.test")
			assert.True(t, ok)
			assert.Equal(t, "token", c.Token)
			mu.Lock()
			delete(there, "one.test")
			mu.Unlock()
		}
		stop()
		others.Wait()
		assert.Less(t, looks, (seconds+5)*lookupsPerSecond)
	})
}

// A lookup that takes too long is one that found nothing, and doesn't hold up those behind it.
func TestLookupThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := true
		all := newLookups(func(ctx context.Context, hosts map[string]bool) map[string]acme.Challenge {
			if hangs {
				<-ctx.Done()
				return nil
			}
			return map[string]acme.Challenge{"one.test": {}}
		})
		began := time.Now()
		_, ok := all.find(t.Context(), "one.test")
		assert.False(t, ok)
		assert.Equal(t, lookupTime, time.Since(began))
		hangs = false
		_, ok = all.find(t.Context(), "one.test")
		assert.True(t, ok)
	})
}
