package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// A transaction whose COMMIT got no response may still be in the server, or its COMMIT on the way
// there. It has locks until it ends, and the server ends it soon if nothing comes. So a call that
// follows waits for those locks before it does anything, and whatever it sees then stays.

// doubts are the transactions of a Ledger that nobody knows the outcome of.
type doubts struct {
	mu  sync.Mutex
	all []*doubt
}

// doubt waits for a transaction, in one of its own.
type doubt struct {
	wait func(ctx context.Context, conn *pgx.Conn) error
}

// note has later calls wait for a transaction, if its error wraps one of those of doubtIn.
func (d *doubts) note(err error, wait func(ctx context.Context, conn *pgx.Conn) error) {
	if !isInDoubt(err) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, &doubt{wait})
}

// outwait waits for all transactions that are in doubt.
func (d *doubts) outwait(ctx context.Context, conn *pgx.Conn) error {
	for {
		next := d.first()
		if next == nil {
			return nil
		}
		if err := next.wait(ctx, conn); err != nil {
			return wrapf(err, "wait for a transaction that got no response")
		}
		d.settle(next)
	}
}

func (d *doubts) first() *doubt {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		return nil
	}
	return d.all[0]
}

func (d *doubts) settle(done *doubt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.all {
		if d.all[i] == done {
			d.all = append(d.all[:i], d.all[i+1:]...)
			return
		}
	}
}

// waitFor is a doubt that ends when a statement gets its locks.
func (l *Ledger) waitFor(statement string, args ...any) func(ctx context.Context, conn *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		work := l.begin()
		work.queue(statement, args...)
		work.Queue("ROLLBACK")
		return work.send(ctx, conn)
	}
}
