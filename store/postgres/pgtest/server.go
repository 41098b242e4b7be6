package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Server is shared by the tests of a binary. The zero value is ready to use. It starts a cluster at
// its first use, which Close ends.
type Server struct {
	starting sync.Mutex
	cluster  *Cluster
	failed   error // why there is no cluster; it is tried once
}

// Schema returns a URL whose query names a schema that nobody else uses. The schema doesn't exist
// yet, and is dropped after the test.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	base := s.base(t)
	schema := "test_" + strings.ToLower(rand.Text()[:16])
	t.Cleanup(func() {
		if err := drop(Connect(t, base), schema); err != nil {
			t.Errorf("clean up after the test: %v", err)
		}
	})
	return edit(t, base, func(query url.Values) { query.Set("schema", schema) })
}

// deadlock is the SQLSTATE of a transaction that was the victim of one.
const deadlock = "40P01"

// drop removes a schema. A statement that a test abandoned may still be running there. If the
// server chooses drop as the victim of their deadlock, the statement goes on and ends, so drop
// retries.
func drop(conn *pgx.Conn, schema string) error {
	statement := "DROP SCHEMA IF EXISTS " + pgx.Identifier{schema}.Sanitize() + " CASCADE"
	for tries := 10; ; tries-- {
		_, err := conn.Exec(context.Background(), statement)
		var failure *pgconn.PgError
		if tries == 1 || !errors.As(err, &failure) || failure.Code != deadlock {
			return err
		}
	}
}

func (s *Server) base(t testing.TB) string {
	t.Helper()
	if given := os.Getenv(EnvURL); given != "" {
		return given
	}
	return s.Cluster(t).URL("")
}

// Cluster is the binary's own cluster, which a test may configure, stop and freeze. The test must
// leave it running, and must not run in parallel with others.
func (s *Server) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.cluster == nil && s.failed == nil {
		s.cluster, s.failed = Start()
	}
	if s.failed != nil {
		t.Fatal(s.failed)
	}
	return s.cluster
}

// Close ends the cluster, if there is one.
func (s *Server) Close() {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.cluster != nil {
		s.cluster.Close()
	}
}

// Connect connects to a server behind the stores' back, for the length of a test. Its search path
// is the schema that the URL names, if it names one.
func Connect(t testing.TB, server string) *pgx.Conn {
	t.Helper()
	target := edit(t, server, func(query url.Values) {
		if query.Has("schema") {
			query.Set("search_path", query.Get("schema"))
			query.Del("schema")
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		t.Fatalf("connect to the tests' PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

func edit(t testing.TB, server string, change func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL", EnvURL) // the error might contain the password
	}
	query := u.Query()
	change(query)
	u.RawQuery = query.Encode()
	return u.String()
}
