package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/blobtest"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

func openBlobs(t *testing.T, o Options) *Blobs {
	t.Helper()
	b, err := NewBlobs(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestBlobs(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Place {
		o := at(t, server.Schema(t))
		return blobtest.Place{Durable: true, Open: func(context.Context) (store.Blobs, error) { return NewBlobs(o) }}
	})
}

// A pooler gives each call another server process.
func TestBlobsThroughAPooler(t *testing.T) {
	o := at(t, server.Cluster(t).Pooler(t, "transaction", "x", "server_round_robin = 1", "min_pool_size = 5"))
	blobtest.Run(t, func(t *testing.T) blobtest.Place {
		o := o
		o.Schema = fresh("blobs")
		return blobtest.Place{Durable: true, Open: func(context.Context) (store.Blobs, error) { return NewBlobs(o) }}
	})
}

// Blobs need no claim to the schema: they work beside a store that has it, and beside other blobs.
func TestBlobsBesideAStore(t *testing.T) {
	o := at(t, server.Schema(t))
	b, other := openBlobs(t, o), openBlobs(t, o)
	ctx := t.Context()
	first, err := b.Put(ctx, "a", []byte("before the store"), blob.None)
	require.NoError(t, err)
	s := open(t, o)
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(10)})
	_, err = other.Put(ctx, "a", []byte("beside it"), first)
	require.NoError(t, err)
	value, _, err := b.Get(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "beside it", string(value))
	require.Len(t, storetest.Load(t, s), 10)
}

// Two processes that begin at the same moment make the tables once.
func TestBlobsOfManyAtOnce(t *testing.T) {
	o := at(t, server.Schema(t))
	errs := make(chan error)
	for range 4 {
		b := openBlobs(t, o)
		go func() {
			_, err := b.Put(context.Background(), "a", nil, blob.Any)
			errs <- err
		}()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
}

// A connection that broke while it was idle is replaced, and leaves no write in doubt.
func TestBlobsAfterTheConnectionBroke(t *testing.T) {
	place := server.Schema(t)
	b := openBlobs(t, at(t, place))
	ctx := t.Context()
	first, err := b.Put(ctx, "a", []byte("before"), blob.None)
	require.NoError(t, err)
	admin := pgtest.Connect(t, place)
	_, err = admin.Exec(ctx, "SELECT pg_terminate_backend($1)", b.idle[0].PgConn().PID())
	require.NoError(t, err)
	_, err = b.Put(ctx, "a", []byte("after"), first)
	require.NoError(t, err)
}

// A write that gets no response ends with its context, and is in doubt.
func TestABlobThatHangsIsInDoubt(t *testing.T) {
	place := server.Schema(t)
	b := openBlobs(t, at(t, place))
	ctx := t.Context()
	first, err := b.Put(ctx, "a", []byte("before"), blob.None)
	require.NoError(t, err)
	admin := pgtest.Connect(t, place)
	tx, err := admin.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "LOCK TABLE blobs")
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = b.Put(short, "a", []byte("after"), first)
	require.ErrorIs(t, err, blob.ErrInDoubt)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback(ctx))
	value, at, err := b.Get(ctx, "a")
	require.NoError(t, err)
	if at == first {
		require.Equal(t, "before", string(value))
	} else {
		require.Equal(t, "after", string(value))
	}
}
