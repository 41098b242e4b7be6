package bolt

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/blobtest"
	"gopher-equalizer/store/storetest"
)

// ownFile are the blobs of a store that nobody else uses.
type ownFile struct{ *Blobs }

func (b ownFile) Close() error { return b.s.Close() }

func TestBlobs(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Place {
		o := options(filepath.Join(t.TempDir(), "equalizer.db"))
		return blobtest.Place{Durable: true, Open: func(ctx context.Context) (store.Blobs, error) {
			s, err := Open(ctx, o)
			if err != nil {
				return nil, err
			}
			return ownFile{s.Blobs()}, nil
		}}
	})
}

// Blobs and buckets are in one file, and none sees the other.
func TestBlobsBesideBuckets(t *testing.T) {
	s := storetest.Open(t, place(t)).(*Store)
	ctx := t.Context()
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(100)})
	_, err := s.Blobs().Put(ctx, "a", []byte("value"), blob.None)
	require.NoError(t, err)
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(200)})
	require.Len(t, storetest.Load(t, s), 200)
	infos, err := s.Blobs().List(ctx, "")
	require.NoError(t, err)
	require.Len(t, infos, 1)
}

// A Put comes between two batches of a round, and doesn't wait for all of them.
func TestAPutWaitsForNoRound(t *testing.T) {
	s := storetest.Open(t, place(t)).(*Store)
	const batches = 100
	release := stall(s)
	put := make(chan error, 1)
	go func() {
		_, err := s.Blobs().Put(context.Background(), "a", nil, blob.None)
		put <- err
	}()
	go release()
	for n := range batches {
		storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(10)})
		select {
		case err := <-put:
			require.NoError(t, err)
			t.Logf("after %d batches", n+1)
			return
		default:
		}
	}
	t.Fatalf("it waited for %d batches", batches)
}

// A Put whose caller gave up while the disk hung is in doubt. It is stored whole or not at all.
func TestAPutThatHangsIsInDoubt(t *testing.T) {
	s := storetest.Open(t, place(t)).(*Store)
	b := s.Blobs()
	at, err := b.Put(t.Context(), "a", []byte("before"), blob.None)
	require.NoError(t, err)
	release := stall(s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = b.Put(ctx, "a", []byte("after"), at)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	value, is, err := b.Get(t.Context(), "a")
	require.NoError(t, err)
	if is == at {
		require.Equal(t, "before", string(value))
	} else {
		require.Equal(t, "after", string(value))
	}
}
