package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 60 * time.Second

// process is a running server or pooler.
type process struct {
	pid    int
	log    *serverLog
	exited chan struct{}
}

// launch starts the server and returns once its log has these words, which mean that it is ready.
func launch(cmd *exec.Cmd, ready string) (*process, error) {
	log := &serverLog{says: ready, ready: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, log: log, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // the log says more
	}()
	select {
	case <-log.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended at once:\n%s", filepath.Base(cmd.Path), log.tail())
	case <-time.After(patience):
		return nil, errors.Join(fmt.Errorf("%s was not ready after %v", filepath.Base(cmd.Path), patience), p.end(syscall.SIGQUIT))
	}
}

// end signals the server and waits until it and its children are gone, since each of them has the
// log open.
func (p *process) end(signal syscall.Signal) error {
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("PostgreSQL did not end within %v:\n%s", patience, p.log.tail())
	}
}

// serverLog takes the server's log, reports when the server is ready, and keeps the log's end.
type serverLog struct {
	says  string
	ready chan struct{}

	mu   sync.Mutex
	text []byte
	seen bool
}

// logTail is how much of a log is kept.
const logTail = 16 << 10

// Write implements io.Writer.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.seen && bytes.Contains(l.text, []byte(l.says)) {
		l.seen = true
		close(l.ready)
	}
	if extra := len(l.text) - logTail; l.seen && extra > 0 {
		l.text = append(l.text[:0], l.text[extra:]...)
	}
	return len(p), nil
}

func (l *serverLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
