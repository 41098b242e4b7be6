package pgtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// PasswordRole is a role that a test may create. Its members need a password; others don't.
const PasswordRole = "needs_password"

// Cluster is a PostgreSQL server in a temporary folder, on a port of 127.0.0.1 that stays
// the same over its restarts. One goroutine may use it.
type Cluster struct {
	programs string
	account  account
	dir      string
	port     int
	settings []string // of the server, as NAME=VALUE, beside its own
	guard    *guard
	running  *process // nil while it is stopped
	frozen   []int    // the processes that are stopped
}

// Start makes a cluster and starts its server, which takes a second or two. Settings of the server,
// as NAME=VALUE, take the place of the package's own. The caller must Close it.
func Start(settings ...string) (*Cluster, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := who.tempDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{programs: programs, account: who, dir: dir, settings: settings}
	if err := c.make(); err != nil {
		c.Close()
		return nil, fmt.Errorf("start PostgreSQL with the programs in %s: %w", programs, err)
	}
	return c, nil
}

// make makes the cluster and starts it, on another port if a port was taken meanwhile.
func (c *Cluster) make() (err error) {
	if c.guard, err = watch(c.dir); err != nil {
		return err
	}
	if err := c.initdb(); err != nil {
		return err
	}
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.Run(); err == nil {
			return nil
		}
	}
	return err
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) initdb() error {
	cmd := c.command("initdb", "--pgdata="+c.data(), "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	access := filepath.Join(c.data(), "pg_hba.conf")
	rules, err := os.ReadFile(access)
	if err != nil {
		return err
	}
	rules = append([]byte("host all +"+PasswordRole+" 127.0.0.1/32 scram-sha-256\n"), rules...)
	return os.WriteFile(access, rules, 0o600)
}

// command is one of PostgreSQL's programs, run as its account. It doesn't get the environment's
// settings for PostgreSQL (PGHOST and so on).
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.programs, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = c.account.attributes()
	return cmd
}

// freePort is a port that nobody listens on. It is below the ports of outgoing connections, so that
// it is still free after a restart.
func freePort() (int, error) {
	for range 100 {
		port := 15_000 + rand.IntN(15_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port from 15000 to 30000 on 127.0.0.1")
}

// Run starts the stopped server, and returns once it takes connections.
func (c *Cluster) Run() error {
	args := []string{"-D", c.data()}
	for _, setting := range slices.Concat([]string{
		"fsync=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB", "max_connections=50",
	}, c.settings, []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(c.port), "unix_socket_directories=" + c.dir,
	}) {
		args = append(args, "-c", setting)
	}
	running, err := launch(c.command("postgres", args...), "ready to accept connections")
	if err == nil {
		c.running = running
	}
	return err
}

// Stop ends the server as an operator does. Sessions are cut, and everything is in its files.
func (c *Cluster) Stop() error { return c.end(syscall.SIGINT) }

// Crash ends the server at once; the next Run recovers it.
func (c *Cluster) Crash() error { return c.end(syscall.SIGQUIT) }

func (c *Cluster) end(signal syscall.Signal) error {
	if c.running == nil {
		return errors.New("PostgreSQL is stopped already")
	}
	running := c.running
	c.running = nil
	return running.end(signal)
}

// URL is the server's, postgres://..., with a schema for the store if it isn't "".
func (c *Cluster) URL(schema string) string {
	server := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", c.port)
	if schema != "" {
		server += "&schema=" + url.QueryEscape(schema)
	}
	return server
}

// PID is the server's first process, the parent of the others. The server must be running.
func (c *Cluster) PID() int { return c.running.pid }

// Address is where the server listens, "127.0.0.1:port".
func (c *Cluster) Address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port))
}

// Close ends the server in any state, and removes all of it.
func (c *Cluster) Close() {
	_ = c.Thaw()
	if c.running != nil {
		_ = c.Crash()
	}
	_ = os.RemoveAll(c.dir)
	if c.guard != nil {
		c.guard.dismiss()
	}
}
