package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// loadPage is how many records a Load reads at a time. They are yielded from the caller's
// goroutine: one that was left behind must not call yield.
const loadPage = 1000

// What is returned for a file that lost its contents.
var (
	errNoBuckets = errors.New("damaged: no buckets in it")
	errNoMeta    = errors.New("damaged: no schema in it")
)

// Load implements limiter.Store, in the order of the client_ids.
func (s *Store) Load(ctx context.Context, yield func(limiter.Record) error) error {
	after := ""
	for {
		page, err := s.page(ctx, after)
		if err != nil {
			return s.wrap(fmt.Errorf("read: %w", err))
		}
		for _, r := range page {
			if err := yield(r); err != nil {
				return err
			}
		}
		if len(page) < loadPage {
			return nil
		}
		after = page[len(page)-1].ClientID
	}
}

// page reads the records behind a client_id; no client_id is empty.
func (s *Store) page(ctx context.Context, after string) ([]limiter.Record, error) {
	found := make(chan []limiter.Record, 1)
	err := s.view(ctx, func(buckets *bbolt.Bucket) error {
		page := make([]limiter.Record, 0, loadPage)
		c := buckets.Cursor()
		key, value := c.Seek([]byte(after))
		if string(key) == after {
			key, value = c.Next()
		}
		for ; key != nil && len(page) < loadPage; key, value = c.Next() {
			r, err := decodeValue(string(key), value)
			if err != nil {
				return err
			}
			page = append(page, r)
		}
		found <- page
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-found, nil
}

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, clientID string) (limiter.Record, bool, error) {
	found := make(chan limiter.Record, 1)
	err := s.view(ctx, func(buckets *bbolt.Bucket) error {
		defer close(found)
		value := buckets.Get([]byte(clientID))
		if value == nil {
			return nil
		}
		r, err := decodeValue(clientID, value)
		if err == nil {
			found <- r
		}
		return err
	})
	if err != nil {
		return limiter.Record{}, false, s.wrap(fmt.Errorf("read: %w", err))
	}
	r, ok := <-found
	return r, ok, nil
}

// Stopped implements limiter.Store.
func (s *Store) Stopped(ctx context.Context) (time.Time, error) {
	found := make(chan time.Time, 1)
	err := s.use(ctx, func(context.Context) error {
		return s.db.View(func(tx *bbolt.Tx) error {
			stopped, err := stoppedAt(tx)
			found <- stopped
			return err
		})
	})
	if err != nil {
		return time.Time{}, s.wrap(fmt.Errorf("read: %w", err))
	}
	return <-found, nil
}

func (s *Store) view(ctx context.Context, read func(*bbolt.Bucket) error) error {
	return s.use(ctx, func(context.Context) error {
		return s.db.View(func(tx *bbolt.Tx) error {
			buckets := tx.Bucket([]byte(bucketsName))
			if buckets == nil {
				return errNoBuckets
			}
			return read(buckets)
		})
	})
}
