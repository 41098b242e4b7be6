package bolt

import (
	"context"
	"fmt"

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
func (s *Store) Load(ctx context.Context, namespace uint32, yield func(limiter.Record) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for next := s.pageAhead(ctx, limiter.Key{Namespace: namespace}); ; {
		read := <-next
		if read.err != nil {
			return s.wrap(fmt.Errorf("read: %w", read.err))
		}
		last := len(read.page) < loadPage
		if !last {
			next = s.pageAhead(ctx, read.page[loadPage-1].Key)
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

func (s *Store) pageAhead(ctx context.Context, after limiter.Key) <-chan pageRead {
	read := make(chan pageRead, 1)
	go func() {
		page, err := s.page(ctx, after)
		read <- pageRead{page, err}
	}()
	return read
}

// page reads the records after a key, of the same namespace. No client_id is empty.
func (s *Store) page(ctx context.Context, after limiter.Key) ([]limiter.Record, error) {
	found := make(chan []limiter.Record, 1)
	err := s.view(ctx, func(c *contents) error {
		rows, err := c.rowsFrom(following(appendKey(nil, after)))
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
			r, ok, err := recordIn(one)
			if err != nil {
				return err
			}
			if r.Namespace != after.Namespace {
				break
			}
			if ok {
				page = append(page, r)
			}
		}
		found <- page
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-found, nil
}

// recordIn reads a row. If the row is deleted, it reports false, and the record has only a key.
func recordIn(row change) (r limiter.Record, ok bool, err error) {
	key, err := cutKey(row.key)
	if err != nil || len(row.value) == 0 {
		return limiter.Record{Key: key}, false, err
	}
	r, err = decodeValue(key, row.value)
	return r, err == nil, err
}

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, key limiter.Key) (limiter.Record, bool, error) {
	found := make(chan limiter.Record, 1)
	err := s.view(ctx, func(c *contents) error {
		defer close(found)
		value, err := c.find(appendKey(nil, key))
		if err != nil || len(value) == 0 {
			return err
		}
		r, err := decodeValue(key, value)
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

// Namespaces implements limiter.Store.
func (s *Store) Namespaces(ctx context.Context) ([]limiter.Namespace, error) {
	found := make(chan []limiter.Namespace, 1)
	err := s.view(ctx, func(c *contents) error {
		all, err := namespacesIn(c.namespaces)
		found <- all
		return err
	})
	if err != nil {
		return nil, s.wrap(fmt.Errorf("read: %w", err))
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
