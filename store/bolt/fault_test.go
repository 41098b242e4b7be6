//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package bolt

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/storetest"
)

// A file that loses its pages while they are mapped faults when it is read. That is an error, not
// the end of the process. The file is released even if bbolt still holds locks.
func TestAFileThatIsCutOffUnderWay(t *testing.T) {
	f := func(name string, call func(ctx context.Context, s *Store) error) {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			s, err := Open(t.Context(), options(path))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(path, int64(2*os.Getpagesize())))
			for range 2 {
				err := call(t.Context(), s)
				require.ErrorIs(t, err, errDamaged)
				require.NotErrorIs(t, err, limiter.ErrInDoubt, "it never came to the commit")
				require.ErrorContains(t, err, path)
			}
			requireCloses(t, s)

			require.NoError(t, os.WriteFile(path, before, 0o600))
			require.Len(t, storetest.Load(t, open(t, path)), 2000)
		})
	}
	f("Get", func(ctx context.Context, s *Store) error {
		_, _, err := s.Get(ctx, storetest.Keys("alice")[0])
		return err
	})
	f("Load", func(ctx context.Context, s *Store) error {
		return s.Load(ctx, 1, func(limiter.Record) error { return nil })
	})
	f("Write", func(ctx context.Context, s *Store) error {
		return s.Write(ctx, limiter.Batch{Puts: storetest.Records(1)})
	})
}

// requireCloses demands that Close returns, which might wait for a lock for ever.
func requireCloses(t *testing.T, s *Store) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(s.o.Timeout):
		t.Fatal("Close hangs")
	}
}
