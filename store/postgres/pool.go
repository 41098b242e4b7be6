package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/store"
)

// pool has connections, and nothing that calls need belongs to one of them. A call takes one for as
// long as it needs it.
type pool struct {
	password
	o      Options
	doubt  error         // is wrapped where nobody knows the outcome
	places chan struct{} // has one for each call that is admitted
	life   context.Context
	end    context.CancelCauseFunc

	mu   sync.Mutex
	idle []*pgx.Conn
}

// newPool is for so many calls at once.
func newPool(o Options, calls int, doubt error) pool {
	life, end := context.WithCancelCause(context.Background())
	return pool{o: o, doubt: doubt, places: make(chan struct{}, calls), life: life, end: end}
}

// call lets f use a connection. It calls f again if the server rolled it back because of others, or
// if the connection broke while it was idle. f must report what it leaves in doubt.
func (p *pool) call(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, leave, err := p.enter(ctx)
	if err != nil {
		return p.o.explain(err)
	}
	defer leave()
	for {
		conn, isNew, err := p.take(ctx)
		if err == nil {
			err = p.use(ctx, conn, f)
		}
		wasIdle := conn != nil && conn.IsClosed() && !isNew && !isInDoubt(err)
		if err == nil || ctx.Err() != nil || !wasIdle && !isRetryable(err) {
			return p.o.explain(inTime(ctx, err))
		}
	}
}

// use calls f, and gives the connection back.
func (p *pool) use(ctx context.Context, conn *pgx.Conn, f func(ctx context.Context, conn *pgx.Conn) error) error {
	defer p.giveBack(ctx, conn)
	return f(ctx, conn)
}

// enter waits until one of few calls may begin. The context that it returns ends with the pool,
// too. The caller must call leave.
func (p *pool) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(p.life, func() { cancel(context.Cause(p.life)) })
	release := func() {
		unbind()
		cancel(nil)
	}
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		release()
		return nil, nil, fmt.Errorf("waiting for a connection: %w", context.Cause(ctx))
	}
	leave = func() {
		<-p.places
		release()
	}
	err = context.Cause(ctx)
	if p.life.Err() != nil { // which reaches ctx a moment later
		err = store.ErrClosed
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	return ctx, leave, nil
}

// take returns an idle connection, or a new one.
func (p *pool) take(ctx context.Context) (conn *pgx.Conn, isNew bool, err error) {
	if conn := p.takeIdle(); conn != nil {
		return conn, false, nil
	}
	config, err := p.config(p.o)
	if err != nil {
		return nil, true, err
	}
	// A batch is one message then, and no statement has a name, which is what poolers want.
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.RuntimeParams["client_encoding"], config.RuntimeParams["standard_conforming_strings"] = "UTF8", "on"
	conn, err = p.o.dial(ctx, config)
	return conn, true, err
}

func (p *pool) takeIdle() *pgx.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	conn := p.idle[last]
	p.idle = p.idle[:last]
	return conn
}

// giveBack keeps a connection for the next call, unless that can't use it: its transaction hasn't
// ended, or the context of its call has, which may have cut it at any moment.
func (p *pool) giveBack(ctx context.Context, conn *pgx.Conn) {
	const idle = 'I'
	if ctx.Err() != nil || conn.IsClosed() || conn.PgConn().TxStatus() != idle {
		abandon(conn)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, conn)
}

// close ends the calls under way, and then the connections.
func (p *pool) close() error {
	p.end(store.ErrClosed)
	patience := time.NewTimer(p.o.Timeout)
	defer patience.Stop()
	for range cap(p.places) {
		select {
		case p.places <- struct{}{}:
		case <-patience.C:
			return p.o.explain(fmt.Errorf("a call under way did not end within %v", p.o.Timeout))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.o.Timeout)
	defer cancel()
	for _, conn := range p.idle {
		_ = conn.Close(ctx) // the server finds out in any case
	}
	p.idle = nil
	for range cap(p.places) {
		<-p.places
	}
	return nil
}
