//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// socketMode lets the socket's owner and its group connect.
	socketMode = 0o660
	// socketTimeout is how long a listener on the socket may take to accept a connection.
	socketTimeout = time.Second
)

// listenUnix listens on a unix socket, and replaces one that a killed process left. EADDRINUSE: it
// is another process's, or another start is just now about to take it.
func listenUnix(path string) (net.Listener, error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	// Of two starts that find a socket left over, the second must not remove that of the first.
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, syscall.EADDRINUSE
	} else if err != nil {
		return nil, fmt.Errorf("lock the folder: %w", err)
	}
	if err := removeLeft(path); err != nil {
		return nil, err
	}
	narrow := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// On Linux the socket's file begins with the mode of the descriptor, so that it is at no
		// moment open to others. Elsewhere this fails.
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), socketMode) })
	}}
	ln, err := narrow.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// removeLeft removes a unix socket on which nobody listens any more. EADDRINUSE: somebody does.
func removeLeft(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("there is a file that is no socket; want another path, or the file removed")
	}
	conn, err := net.DialTimeout("unix", path, socketTimeout)
	switch {
	case err == nil:
		return errors.Join(syscall.EADDRINUSE, conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil // A predecessor has just removed it.
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return syscall.EADDRINUSE // Its queue is full.
	}
	return err
}
