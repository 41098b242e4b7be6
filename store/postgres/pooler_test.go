package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// A pool that gives a session's transactions to different server processes is refused at the start,
// with the reason, for any number of processes and any way to choose among them.
func TestPoolersThatShareProcesses(t *testing.T) {
	cluster := server.Cluster(t)
	f := func(name, mode string, warm int, settings ...string) {
		t.Run(name, func(t *testing.T) {
			url := cluster.Pooler(t, mode, "pooled", settings...)
			hold := make([]func(), 0, warm)
			for range warm { // each takes a process of its own, so that the pool has that many
				conn := pgtest.Connect(t, strings.Replace(url, "&schema=pooled", "", 1))
				tx, err := conn.Begin(t.Context())
				require.NoError(t, err)
				hold = append(hold, func() { require.NoError(t, tx.Rollback(context.Background())) })
			}
			for _, release := range hold {
				release()
			}
			err := openError(t, at(t, url))
			require.ErrorContains(t, err, "pool_mode = session")
			require.ErrorContains(t, err, "the lock that keeps a second writer out")
			assert.True(t, IsFinal(err), "waiting would not help")
		})
	}
	f("transactions", "transaction", 0)
	f("statements", "statement", 0)
	f("some processes", "transaction", 5)
	f("in turns", "transaction", 0, "server_round_robin = 1")
	f("two in turns", "transaction", 2, "server_round_robin = 1")
	f("many in turns", "transaction", 6, "server_round_robin = 1")
	f("one process", "transaction", 0, "default_pool_size = 1")
	f("settings dropped", "transaction", 0, "ignore_startup_parameters = search_path,statement_timeout")
}

// A pool of sessions works like the server, and its sessions run with our settings.
func TestPoolerOfSessions(t *testing.T) {
	cluster := server.Cluster(t)
	for _, settings := range [][]string{nil, {"server_round_robin = 1"}, {"default_pool_size = 2"}} {
		url := cluster.Pooler(t, "session", "sessions", settings...)
		s := open(t, at(t, url))
		storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(20)})
		require.Len(t, storetest.Load(t, s), 20)
		var path string
		require.NoError(t, s.session.conn.QueryRow(t.Context(), "SHOW search_path").Scan(&path))
		require.Equal(t, `"sessions"`, path)
		require.NoError(t, s.Close())
	}
}

// A pool with one session has none for the second connection. That costs the start a timeout, and
// no more.
func TestPoolerOfOneSession(t *testing.T) {
	o := at(t, server.Cluster(t).Pooler(t, "session", "session", "default_pool_size = 1"))
	o.Timeout = 500 * time.Millisecond
	s := open(t, o)
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(20)})
	require.Len(t, storetest.Load(t, s), 20)
}
