package bolt

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
)

// loadPage is how many records a Load reads at a time. yield is called from the caller's goroutine,
// since a goroutine that was left behind must not call it.
const loadPage = 10_000

// The errors for a file that has lost its contents.
var (
	errNoBuckets = fmt.Errorf("%w: no buckets in it", errDamaged)
	errNoMeta    = fmt.Errorf("%w: no schema in it", errDamaged)
)

// Load implements limiter.Store, in the order of the client_ids. A page is read while the one
// before it is yielded.
func (s *Store) Load(ctx context.Context, yield func(limiter.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for next := s.pageAhead(ctx, ""); ; {
		read := <-next
		if read.err != nil {
			return s.wrap(fmt.Errorf("read: %w", read.err))
		}
		last := len(read.page) < loadPage
		if !last {
			next = s.pageAhead(ctx, read.page[loadPage-1].ClientID)
		}
		for _, r := range read.page {
			if err := yield(r); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// pageRead is the result of reading a page.
type pageRead struct {
	page []limiter.Record
	err  error
}

func (s *Store) pageAhead(ctx context.Context, after string) <-chan pageRead {
	read := make(chan pageRead, 1)
	go func() {
		page, err := s.page(ctx, after)
		read <- pageRead{page, err}
	}()
	return read
}

// page reads the records after a client_id. No client_id is empty.
func (s *Store) page(ctx context.Context, after string) ([]limiter.Record, error) {
	found := make(chan []limiter.Record, 1)
	err := s.view(ctx, func(c *contents) error {
		rows, err := c.rowsFrom(following([]byte(after)))
		if err != nil {
			return err
		}
		page := make([]limiter.Record, 0, loadPage)
		for len(page) < loadPage {
			one, err := rows.next()
			if err != nil {
				return err
			}
			if one.key == nil {
				break
			}
			if len(one.value) == 0 {
				continue
			}
			r, err := decodeValue(string(one.key), one.value)
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
	err := s.view(ctx, func(c *contents) error {
		defer close(found)
		value, err := c.find([]byte(clientID))
		if err != nil || len(value) == 0 {
			return err
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

func (s *Store) view(ctx context.Context, read func(*contents) error) error {
	return s.use(ctx, func(context.Context) error {
		return s.db.View(func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			if err != nil {
				return err
			}
			return read(c)
		})
	})
}
