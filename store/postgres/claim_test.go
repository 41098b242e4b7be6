package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// The server doesn't know that a connection of ours is gone: it still has the lock.
func TestAConnectionThatIsLostIsEnded(t *testing.T) {
	r, o := through(t, at(t, server.Schema(t)))
	s := open(t, o)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	for range 3 {
		r.lose()
		_, ok := storetest.Get(t, s, "alice")
		require.True(t, ok)
	}
	r.lose()
	storetest.Write(t, s, put(storetest.Record("alice", 2)))
	require.Equal(t, 2.0, storetest.Load(t, s)["alice"].Tokens)
}

// A lost connection's process has ended, and another writer's has got its number.
func TestAnotherWritersProcessIsLeftAlone(t *testing.T) {
	o := at(t, server.Schema(t))
	other := open(t, o)
	theirs := other.own[0]
	ctx, heard := context.WithCancel(t.Context())
	defer heard()
	o.Logger = zerolog.New(logFunc(heard))
	s, err := New(o)
	require.NoError(t, err)
	s.own = []backend{{pid: theirs.pid, start: theirs.start.Add(-time.Hour)}}
	_, _, err = s.Get(ctx, storetest.Keys("alice")[0])
	require.ErrorIs(t, err, store.ErrHeld)
	require.NoError(t, s.Close())
	storetest.Write(t, other, put(storetest.Record("alice", 1)))
	require.Equal(t, []backend{theirs}, other.own, "it had to connect again")
}

// The reconnected store waits for a transaction of a lost connection that the server goes on with,
// even if its lock is gone, and then sees what that committed.
func TestTheEpochOutwaitsATransaction(t *testing.T) {
	f := func(how string, sees bool) {
		schema := server.Schema(t)
		r, o := through(t, at(t, schema))
		s := open(t, o)
		storetest.Write(t, s, put(storetest.Record("alice", 1)))

		left, err := pgtest.Connect(t, schema).Begin(t.Context())
		require.NoError(t, err)
		_, err = left.Exec(t.Context(), fenceSQL, s.session.epoch)
		require.NoError(t, err)
		_, err = left.Exec(t.Context(), "UPDATE buckets SET tokens = 7 WHERE client_id = 'alice'")
		require.NoError(t, err)

		r.cut()
		seen := make(chan float64, 1)
		go func() {
			got, _ := storetest.Get(t, s, "alice")
			seen <- got.Tokens
		}()
		awaitLockWait(t, schema)
		require.Empty(t, seen)
		_, err = left.Exec(t.Context(), how)
		require.NoError(t, err)
		require.Equal(t, sees, <-seen == 7.0)
	}
	f("COMMIT", true)
	f("ROLLBACK", false)
}

// A transaction that begins after the epoch was raised finds no row to lock.
func TestAnOldEpochIsFencedOff(t *testing.T) {
	schema := server.Schema(t)
	r, o := through(t, at(t, schema))
	s := open(t, o)
	old := s.session.epoch
	r.cut()
	storetest.Get(t, s, "alice")
	require.Equal(t, old+1, s.session.epoch)
	tag, err := pgtest.Connect(t, schema).Exec(t.Context(), fenceSQL, old)
	require.NoError(t, err)
	require.Zero(t, tag.RowsAffected())
}

func requireSuperseded(t *testing.T, s *Store, by string) {
	t.Helper()
	for range 2 {
		start := time.Now()
		err := s.Write(t.Context(), put(storetest.Record("mallory", 1)))
		require.ErrorIs(t, err, store.ErrSuperseded)
		require.NotErrorIs(t, err, limiter.ErrInDoubt)
		require.ErrorContains(t, err, by)
		require.True(t, IsFinal(err))
		_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
		require.ErrorIs(t, err, store.ErrSuperseded)
		require.ErrorIs(t, s.Load(t.Context(), 1, nil), store.ErrSuperseded)
		require.Less(t, time.Since(start), 5*time.Second, "there is nothing to wait for")
	}
}

func TestAWriterThatWasReplacedNeverWritesAgain(t *testing.T) {
	o := at(t, server.Schema(t))
	f := func(name string, check func(old *Store, other *Store)) {
		t.Run(name, func(t *testing.T) {
			r, through := through(t, o)
			old := open(t, through)
			storetest.Write(t, old, put(storetest.Record("alice", 1)))
			r.cut()
			other := open(t, o)
			check(old, other)
			require.NotContains(t, storetest.Load(t, open(t, o)), "mallory")
		})
	}
	self := store.Self()
	name := fmt.Sprintf("process %d on %s", self.PID, self.Host)
	f("while the other has it", func(old, other *Store) {
		requireSuperseded(t, old, name)
		storetest.Write(t, other, put(storetest.Record("alice", 2)))
		require.NoError(t, other.Close())
		requireSuperseded(t, old, name)
	})
	f("after the other has ended", func(old, other *Store) {
		require.NoError(t, other.Close())
		requireSuperseded(t, old, name)
	})
}

// Even a writer that has its connection and the lock checks the epoch in every transaction.
func TestAWriterIsFencedInEveryTransaction(t *testing.T) {
	schema := server.Schema(t)
	s := open(t, at(t, schema))
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	conn := pgtest.Connect(t, schema)
	_, err := conn.Exec(t.Context(), "UPDATE writer SET epoch = epoch + 1, instance = 'other', host = 'elsewhere', pid = 4711")
	require.NoError(t, err)
	err = s.Write(t.Context(), put(storetest.Record("mallory", 1)))
	require.ErrorIs(t, err, store.ErrSuperseded)
	require.ErrorContains(t, err, "process 4711 on elsewhere")
	requireSuperseded(t, s, "process 4711 on elsewhere")
	count := 0
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM buckets WHERE client_id = 'mallory'").Scan(&count))
	require.Zero(t, count)
	_, err = conn.Exec(t.Context(), "UPDATE writer SET instance = $1", s.instance) // its own again, but too late
	require.NoError(t, err)
	requireSuperseded(t, s, "process 4711 on elsewhere")
	require.Len(t, storetest.Load(t, open(t, at(t, schema))), 1, "it has let go of the lock")
}

func TestAWriterWhoseTablesAreGone(t *testing.T) {
	schema := server.Schema(t)
	r, o := through(t, at(t, schema))
	s := open(t, o)
	u, err := url.Parse(schema)
	require.NoError(t, err)
	_, err = pgtest.Connect(t, schema).Exec(t.Context(), "DELETE FROM writer")
	require.NoError(t, err)
	r.cut()
	requireSuperseded(t, s, "its tables were emptied")
	_, err = connected(t.Context(), o)
	require.ErrorContains(t, err, "the table writer has lost its row")
	require.True(t, IsFinal(err))
	require.ErrorContains(t, err, u.Query().Get("schema"))
}

// holdVariable makes the test binary another process, which holds the schema that it names.
const holdVariable = "EQUALIZER_TEST_HOLD"

// hold opens a schema, writes to it, says so, and waits to be killed.
func hold(schema string) {
	o, err := parse(schema)
	if err != nil {
		panic(err)
	}
	s, err := connected(context.Background(), o)
	if err != nil {
		panic(err)
	}
	if err := s.Write(context.Background(), put(storetest.Record("alice", 1))); err != nil {
		panic(err)
	}
	fmt.Println("holding")
	select {}
}

func TestASecondProcess(t *testing.T) {
	schema := server.Schema(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), holdVariable+"="+schema)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { _ = child.Process.Kill() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "holding\n", line)

	o := at(t, schema)
	o.ConnectTimeout = time.Second
	_, err = connected(t.Context(), o)
	require.ErrorIs(t, err, store.ErrHeld)
	require.False(t, IsFinal(err))
	require.ErrorContains(t, err, fmt.Sprintf("process %d on %s, since ", child.Process.Pid, store.Self().Host))
	require.ErrorContains(t, err, "(gopher-equalizer)")
	require.ErrorContains(t, err, o.database())

	o.ConnectTimeout = 20 * time.Second
	logged := make(chan string, 10)
	o.Logger = zerolog.New(lines(logged))
	opened := make(chan error, 1)
	go func() {
		s, err := connected(t.Context(), o)
		if err == nil {
			_, ok := storetest.Get(t, s, "alice")
			if !ok {
				err = errors.New("what the first wrote is gone")
			}
			err = errors.Join(err, s.Close())
		}
		opened <- err
	}()
	require.Contains(t, <-logged, "waiting for the schema")
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	require.NoError(t, <-opened)
	require.Empty(t, logged, "it says so once")
}

// lines are a log, a line at a time.
type lines chan<- string

func (l lines) Write(p []byte) (int, error) {
	l <- strings.TrimSpace(string(p))
	return len(p), nil
}

// logFunc is a log that calls a function.
type logFunc func()

func (f logFunc) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}
