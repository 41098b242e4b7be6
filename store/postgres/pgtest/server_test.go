package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func ping(t *testing.T, s *Server, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Base())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

func TestServer(t *testing.T) {
	s := New(t)
	require.NoError(t, ping(t, s, time.Minute))
	require.NotEqual(t, s.URL(t), s.URL(t), "each URL has a schema of its own")

	require.NoError(t, s.Stop())
	require.Error(t, ping(t, s, time.Minute))
	require.NoError(t, s.Start())
	require.NoError(t, ping(t, s, time.Minute))

	require.NoError(t, s.Crash())
	require.Error(t, ping(t, s, time.Minute))
	require.NoError(t, s.Start())

	require.NoError(t, s.Freeze())
	require.ErrorIs(t, ping(t, s, 100*time.Millisecond), context.DeadlineExceeded)
	require.NoError(t, s.Thaw())
	require.NoError(t, ping(t, s, time.Minute))
}
