// Package bolt is the embedded store: one bbolt file, no server. It has one writer, which holds the
// file's lock.
//
// # Rows
//
// The base has the rows of all clients, many to a chunk, in the order of their client_ids (base.go,
// chunk.go). Batches of a flush are first stored as they are, next to the base, and folded into it
// a stretch at a time (recent.go): a flush of random clients would otherwise rewrite nearly every
// chunk. encode.go has the form of a row.
//
// # Commits
//
// bbolt's calls take no context, and wait for the disk as long as that takes. So each call runs in
// a goroutine that the Store owns. A caller whose context ends leaves the goroutine behind, and the
// next call waits for it first (run.go). A commit that failed may still have been written, which
// the next call finds out from the file (settle.go).
//
// If the newest meta page is damaged, bbolt falls back to the one before it, and what the last two
// transactions held is lost. Other damage is found when the file is opened, and when it is read
// (pages.go, damage.go).
package bolt

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"gopher-equalizer/store"
	"gopher-equalizer/store/internal/gate"
)

// Options are the file, and how long to wait for it. Every field except Heirless, Aside and Logger
// is needed.
type Options struct {
	// Path is the file. It is created if it is missing, and so is its directory.
	Path string
	// ConnectTimeout is how long Open waits for another process to release the file; 0 has no end.
	ConnectTimeout time.Duration
	// Timeout is how long opening the file may take once it is free, and how long Close waits for a
	// call that hangs in the disk.
	Timeout time.Duration
	// Heirless is what Open returns, and leaves the file as it is, if that is of a version that
	// knew of one limit only and has rows. It is nil where one of the limits is to have them.
	Heirless error
	// Aside does a job that blocks its thread while it waits for the disk; nil just does it.
	Aside func(job func())
	// Logger gets a line when Open has to wait.
	Logger zerolog.Logger
}

// Store is a limiter.Store in a bbolt file.
type Store struct {
	o    Options
	gate *gate.Gate
	pace pace

	// The call that the gate admitted owns the following fields.
	db    *bbolt.DB // nil after a failed commit, until it is opened again
	file  *os.File  // db's
	epoch uint64    // how often the file had been claimed when this Store claimed it
	doubt bool      // whether a commit broke off when it may have been written
	final error     // why no call can succeed any more: superseded, or damaged
}

// Open opens the file. While another process holds it, Open waits, up to Options.ConnectTimeout.
// Then the error wraps store.ErrHeld and names that process.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Aside == nil {
		o.Aside = func(job func()) { job() }
	}
	s := &Store{o: o, gate: gate.New(), pace: usualPace()}
	if err := s.acquire(ctx); err != nil {
		return nil, errors.Join(s.wrap(err), s.Close())
	}
	return s, nil
}

// pollInterval is the time between two attempts to lock the file. bbolt can't wait for the lock
// until a deadline.
const pollInterval = 50 * time.Millisecond

func (s *Store) acquire(ctx context.Context) error {
	patience := make(<-chan time.Time)
	if s.o.ConnectTimeout > 0 {
		timer := time.NewTimer(s.o.ConnectTimeout)
		defer timer.Stop()
		patience = timer.C
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var held error
	for {
		err := s.attempt(ctx)
		if held != nil && ctx.Err() != nil {
			return held // this attempt's error is only that there is no time left
		}
		if !errors.Is(err, store.ErrHeld) {
			return err
		}
		if held == nil {
			s.o.Logger.Warn().Str("path", s.o.Path).Err(err).Stringer("connect_timeout", s.o.ConnectTimeout).
				Msg("waiting for the store's file")
		}
		held = err
		select {
		case <-poll.C:
		case <-patience:
			return held
		case <-ctx.Done():
			return held
		}
	}
}

func (s *Store) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	return s.run(ctx, func(context.Context) error { return s.claim() })
}

// Close implements limiter.Store. An error means that a call hangs in the disk. What that call
// holds is released when it returns.
func (s *Store) Close() error {
	return s.wrap(s.gate.Close(s.o.Timeout, s.letGo))
}
