// Package postgres is the store in a PostgreSQL database.
//
// One connection does everything. It holds an advisory lock, so a schema has one writer. A
// connection that broke may have left a commit behind, on its way or waiting in the server. So
// every new connection first outwaits what those before it may still do (claim.go). Every
// transaction that writes proves that its writer was not superseded (write.go), and a process whose
// lock was taken over never writes again.
//
// The lock belongs to a session. So a connection pooler that gives a session's transactions to
// different server processes is refused (pooler.go). A session turns synchronous_commit on where it
// is off (connect.go): what was reported as stored must survive a crash of the server.
//
// Several processes may share a schema instead: see Ledger. It keeps out a Store, and a Store keeps
// out it (shared.go).
//
// A row has its settings at its side. Each distinct settings are stored once, and rows refer to
// them by number (settings.go).
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/store"
	"gopher-equalizer/store/internal/gate"
)

// Options are the database's place, and how long to wait for it. Every field except Password,
// Heirless and Logger is needed.
type Options struct {
	// Host is a name, an IP address, or the folder of a Unix socket.
	Host string
	Port int
	User string
	// Password may be empty: not every server asks for one.
	Password string
	DBName   string
	// SSLMode is libpq's: disable, allow, prefer, require, verify-ca or verify-full.
	SSLMode string
	// Schema is where the tables are. It has one writer at a time, or replicas. It is created if it
	// is missing.
	Schema string
	// ConnectTimeout is how long Connect waits for a server that is down, or for another process to
	// release the schema; 0 has no end.
	ConnectTimeout time.Duration
	// Timeout is how long the server lets a statement run, or a transaction that was left behind,
	// and how long Close waits.
	Timeout time.Duration
	// Heirless is what Connect returns, and leaves the schema as it is, if that is of a version
	// that knew of one limit only and has rows. It is nil where one of the limits is to have them.
	Heirless error
	// Logger gets a line when Connect has to wait.
	Logger zerolog.Logger
}

// Store is a limiter.Store in a schema of a database.
type Store struct {
	password
	o        Options
	gate     *gate.Gate
	instance string // unique among all Stores, ever

	// The call that the gate admitted owns the following fields.
	session *session  // nil: there is no connection
	claimed bool      // whether this Store ever claimed the schema
	own     []backend // server processes of our connections that may still be there
	told    bool      // whether the log already has that another process holds the schema
	final   error     // why no call can succeed any more: superseded
}

// New returns a store that connects on the first call, of Connect or another. Its errors are about
// the options.
func New(o Options) (*Store, error) {
	s := &Store{o: o, gate: gate.New(), instance: rand.Text()}
	if err := o.check(); err != nil {
		return nil, s.explain(err)
	}
	return s, nil
}

// Close implements limiter.Store. It fails only if a call in progress doesn't end.
func (s *Store) Close() error {
	return s.explain(s.gate.Close(s.o.Timeout, s.letGo))
}

// letGo ends the connection in order, if the server responds.
func (s *Store) letGo() error {
	if s.session == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Timeout)
	defer cancel()
	_ = s.session.conn.Close(ctx) // the server finds out in any case
	s.session = nil
	return nil
}

// call lets f use a connection. Only using a connection shows whether it broke while it was idle.
// So if f failed for that reason, call calls it again on a new connection. f must report what it
// leaves in doubt.
func (s *Store) call(ctx context.Context, f func(ctx context.Context, c *session) error) error {
	ctx, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return s.explain(err)
	}
	defer cancel()
	defer s.gate.Leave()
	if s.final != nil {
		return s.explain(s.final)
	}
	wasIdle := s.session != nil
	err = s.use(ctx, f)
	if err != nil && wasIdle && s.session == nil && ctx.Err() == nil && !isInDoubt(err) {
		err = s.use(ctx, f)
	}
	if errors.Is(err, store.ErrSuperseded) {
		s.final = err
		s.drop() // and with it the lock, if it is still ours
	}
	return s.explain(inTime(ctx, err))
}

// use calls f once. It drops a connection that can't be used any more, or may be unusable.
func (s *Store) use(ctx context.Context, f func(ctx context.Context, c *session) error) error {
	if s.session == nil {
		c, err := s.connect(ctx)
		if err != nil {
			return err
		}
		s.session = c
	}
	err := f(ctx, s.session)
	if ctx.Err() != nil || isInDoubt(err) || s.session.conn.IsClosed() {
		s.drop()
	}
	return err
}

func (s *Store) drop() {
	if s.session != nil {
		s.session.abandon()
		s.session = nil
	}
}

// inTime adds the cause to the error of a call whose context had ended.
func inTime(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case err == nil || cause == nil || errors.Is(err, cause) || errors.Is(err, store.ErrHeld):
		return err
	case isInDoubt(err):
		return fmt.Errorf("%w: %w", doubtIn(err), cause)
	case code(err) != "":
		return fmt.Errorf("%w: %w", cause, err)
	}
	return cause // the error is about the connection, which was cut for this cause
}
