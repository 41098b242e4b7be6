package pgtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Pooler starts a PgBouncer in front of the cluster for the length of a test, and returns a URL
// that goes through it. mode is its pool_mode. settings are further lines of its configuration.
func (c *Cluster) Pooler(t testing.TB, mode, schema string, settings ...string) string {
	t.Helper()
	program, err := findPooler()
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.account.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = %s\n%s\n", c.port, port, mode, strings.Join(settings, "\n"))
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, file)
	cmd.Dir, cmd.SysProcAttr = dir, c.account.attributes()
	running, err := launch(cmd, "process up")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.end(syscall.SIGQUIT); err != nil {
			t.Error(err)
		}
	})
	direct := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port))
	return strings.Replace(c.URL(schema), direct, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), 1)
}

// findPooler finds PgBouncer, which packages may install outside a user's PATH.
func findPooler() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	if path := "/usr/sbin/pgbouncer"; isExecutable(path) {
		return path, nil
	}
	return "", errors.New("PgBouncer not found: run `make test`, or install the pgbouncer package")
}
