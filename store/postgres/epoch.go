package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gopher-equalizer/store"
)

// raiseEpoch adds 1 to the epoch, and sets this store's name. It waits for those that hold a share
// lock on the row. If the row has another name by now, it isn't changed, and this writer is
// superseded. The caller ends the transaction.
func (s *Store) raiseEpoch(ctx context.Context, tx querier) (epoch int64, err error) {
	self := store.Self()
	err = tx.QueryRow(ctx, `
		UPDATE writer SET epoch = epoch + 1, instance = $1, host = $2, pid = $3, since = $4, shared = false
		WHERE instance = $1 OR NOT $5
		RETURNING epoch`, s.instance, self.Host, self.PID, self.Since, s.claimed).Scan(&epoch)
	if !errors.Is(err, pgx.ErrNoRows) {
		return epoch, wrapf(err, "raise the writer's epoch")
	}
	if !s.claimed {
		return 0, errNoWriter
	}
	w, err := readWriter(ctx, tx)
	if err != nil {
		return 0, err
	}
	return 0, w.superseded()
}

var errNoWriter = errFinal{errors.New("the table writer has lost its row: restore the schema, or drop it to start afresh")}

// writer is the writer's row.
type writer struct {
	store.Holder
	epoch    int64
	instance string
}

// readWriter reads the row. If there are no tables yet, it returns a writer without a name.
func readWriter(ctx context.Context, conn querier) (w writer, err error) {
	err = conn.QueryRow(ctx, "SELECT epoch, instance, host, pid, since FROM writer").
		Scan(&w.epoch, &w.instance, &w.Host, &w.PID, &w.Since)
	var refused *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &refused) && refused.Code == undefinedTable {
		return writer{}, nil
	}
	return w, wrapf(err, "read who the writer is")
}

func (w writer) superseded() error {
	return fmt.Errorf("%w: %s", store.ErrSuperseded, w.describe())
}

func (w writer) describe() string {
	if w.instance == "" {
		return "it has not put its name down, or its tables were emptied"
	}
	return w.Holder.String()
}
