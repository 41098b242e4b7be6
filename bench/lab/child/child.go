//go:build linux

// Package child runs the suite's programs. It starts each in a process group of its own, ends only
// those, and leaves none behind, however the suite ends.
package child

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a program may take to end before it is killed.
const patience = 2 * time.Second

// Program is a program to run.
type Program struct {
	Path string
	Args []string
	Env  []string // in addition to the suite's own
	Dir  string   // where it runs, and where what it prints goes: output.log
	// Hello, if set, gets what the program prints on standard output instead.
	Hello func(io.Reader) error
}

// Process is a running program.
type Process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
}

// Start starts a program. It ends with Stop, or with the suite's own process.
func Start(p Program) (*Process, error) {
	// Append, since the file may be cleared meanwhile.
	log, err := os.OpenFile(filepath.Join(p.Dir, "output.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir, cmd.Env, cmd.Stderr = p.Dir, append(os.Environ(), p.Env...), log
	// SIGTERM, not SIGKILL, since nginx's master ends its workers on SIGTERM, and orphans them on
	// SIGKILL.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	c := &Process{name: filepath.Base(p.Path), log: log.Name(), cmd: cmd, ended: make(chan struct{})}
	if err := c.start(p.Hello, log); err != nil {
		return nil, err
	}
	return c, nil
}

// start waits for the program's hello, if it prints one.
func (c *Process) start(hello func(io.Reader) error, log io.Writer) error {
	if hello == nil {
		c.cmd.Stdout = log
		return c.launch()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	c.cmd.Stdout = w
	err = c.launch()
	_ = w.Close() // our end; when the program closes its own, the hello has ended
	if err != nil {
		return err
	}
	if err := hello(r); err != nil {
		c.Stop()
		return fmt.Errorf("%s: %w: %s", c.name, err, c.LastWords())
	}
	return nil
}

func (c *Process) launch() error {
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go c.reap()
	return nil
}

// PID is the process's id. Processes that it started in turn are its children.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// Await calls ready every few milliseconds until it succeeds. It fails if the program ends before
// that, or when ctx does.
func (c *Process) Await(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("%s ended: %s", c.name, c.LastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s isn't ready: %w", c.name, err)
		case <-tick.C:
		}
	}
}

// lastLines is how many lines LastWords has. HAProxy's reason is two lines before its last.
const lastLines = 3

// LastWords are the last lines that the program printed, as one.
func (c *Process) LastWords() string {
	file, err := os.Open(c.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	var last []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			last = append(last[max(0, len(last)+1-lastLines):], line)
		}
	}
	if len(last) == 0 {
		return "it said nothing"
	}
	return strings.Join(last, " | ")
}

// Output is all that the program has printed.
func (c *Process) Output() (string, error) {
	text, err := os.ReadFile(c.log)
	return string(text), err
}

// Signal sends the program a signal.
func (c *Process) Signal(s syscall.Signal) error { return c.cmd.Process.Signal(s) }

// Ended reports whether the program has ended.
func (c *Process) Ended() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Stop ends the program and all that it started, and waits until it has ended.
func (c *Process) Stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

// reap waits for the program's end and kills what is left of its group. Before that, the program
// isn't reaped: as long as it is there, nobody else can have the group's id.
func (c *Process) reap() {
	for unix.Waitid(unix.P_PID, c.PID(), nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	_ = syscall.Kill(-c.PID(), syscall.SIGKILL)
	_ = c.cmd.Wait() // why it ended is in its log
	close(c.ended)
}
