package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take to start or to stop.
const patience = 60 * time.Second

// Server is one PostgreSQL cluster, or what EnvURL names. One goroutine may use it.
type Server struct {
	base   string // postgres://... of its database
	dir    string // "" for what EnvURL names
	bin    string
	port   int
	exited chan struct{} // closed when the server has ended; nil before its first start
	frozen []int
}

// Shared is a server for tests that only connect to it: what EnvURL names, or else a cluster of their own.
func Shared(t testing.TB) *Server {
	t.Helper()
	if base := os.Getenv(EnvURL); base != "" {
		return &Server{base: base}
	}
	return New(t)
}

// New makes a cluster and starts its server, for tests that stop, freeze or crash it. It is gone after t.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func newServer() (*Server, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("a folder for PostgreSQL: %w", err)
	}
	s := &Server{dir: dir, bin: bin}
	if s.port, err = freePort(); err == nil {
		err = s.initialize()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.base = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	return s, nil
}

// freePort is free when it is found. The kernel gives out others before it repeats one.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("a port for PostgreSQL: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// initialize makes the cluster's files.
func (s *Server) initialize() error {
	owner, err := unprivileged()
	if err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("hand PostgreSQL its folder: %w", err)
		}
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres",
		"--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// supervise runs the server until it ends, or until standard input does: then the test's process is gone.
const supervise = `exec 3<&0
"$@" & server=$!
(cat <&3 >/dev/null; kill -QUIT $server) 2>/dev/null & watcher=$!
wait $server; kill $watcher 2>/dev/null; exit 0`

// Start starts the server, and returns once it answers.
func (s *Server) Start() error {
	owner, err := unprivileged()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("a log for PostgreSQL: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("sh", "-c", supervise, "sh", filepath.Join(s.bin, "postgres"), "-D", s.data(),
		"-p", strconv.Itoa(s.port), "-k", s.dir, "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=50")
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	// Held open by this process alone; Wait closes it.
	if _, err := cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.exited = exited
	return s.awaitAnswer()
}

// awaitAnswer returns when the server answers, or ended.
func (s *Server) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.base)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-poll.C:
		case <-s.exited:
			return fmt.Errorf("PostgreSQL ended at once: %s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not answer within %v: %w\n%s", patience, err, s.log())
		}
	}
}

func (s *Server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the server as an operator does: sessions are cut, everything is on disk.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Crash ends the server at once; the next Start recovers it.
func (s *Server) Crash() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(how syscall.Signal) error {
	pid, err := s.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, how); err != nil {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	return s.awaitEnd()
}

func (s *Server) awaitEnd() error {
	select {
	case <-s.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("PostgreSQL did not end within %v", patience)
	}
}

// postmaster is the server's main process.
func (s *Server) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL's process: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("PostgreSQL's process: %w", err)
	}
	return pid, nil
}

// remove ends the server, if it runs, and deletes its files.
func (s *Server) remove() error {
	var err error
	if s.exited != nil {
		select {
		case <-s.exited:
		default:
			err = errors.Join(s.Thaw(), s.Crash())
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// URL is a place in the server's database that nobody else uses: its query names a schema, which is not there yet.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(s.base)
	if err != nil {
		t.Fatalf("%s: %v", EnvURL, err)
	}
	schema := fmt.Sprintf("test_%d_%d", os.Getpid(), time.Now().UnixNano())
	query := u.Query()
	query.Set("schema", schema)
	u.RawQuery = query.Encode()
	if s.dir == "" {
		t.Cleanup(func() { s.drop(t, schema) })
	}
	return u.String()
}

// Base is the server's database, postgres://..., with no schema named.
func (s *Server) Base() string { return s.base }

// Address is where the server listens, "host:port".
func (s *Server) Address() string {
	u, err := url.Parse(s.base)
	if err != nil {
		return ""
	}
	return u.Host
}

func (s *Server) drop(t testing.TB, schema string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.base)
	if err != nil {
		t.Errorf("clean up after the test: %v", err)
		return
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE"); err != nil {
		t.Errorf("clean up after the test: %v", err)
	}
}
