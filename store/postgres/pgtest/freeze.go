package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Freeze stops every process of the server with SIGSTOP. The kernel goes on taking connections and
// data for it, but nobody responds.
func (c *Cluster) Freeze() error {
	if c.running == nil || len(c.frozen) > 0 {
		return errors.New("PostgreSQL is stopped or frozen already")
	}
	for next := []int{c.running.pid}; len(next) > 0; {
		c.frozen = append(c.frozen, next...)
		if err := c.guard.noteFrozen(c.frozen); err != nil {
			return err
		}
		for _, pid := range next {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("freeze process %d: %w", pid, err)
			}
		}
		children, err := childrenOf(c.running.pid) // which makes no new ones by now
		if err != nil {
			return err
		}
		next = slices.DeleteFunc(children, func(pid int) bool { return slices.Contains(c.frozen, pid) })
	}
	return nil
}

// Thaw lets a frozen server go on. It does nothing to one that isn't frozen.
func (c *Cluster) Thaw() error {
	var failed error
	for _, pid := range c.frozen {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			failed = errors.Join(failed, fmt.Errorf("thaw process %d: %w", pid, err))
		}
	}
	c.frozen = nil
	return failed
}

// childrenOf reads a process's children from /proc, or if there is none from ps.
func childrenOf(parent int) ([]int, error) {
	parents, err := parentsFromProc()
	if err != nil {
		parents, err = parentsFromPS()
	}
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var children []int
	for pid, itsParent := range parents {
		if itsParent == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// parentsFromProc reads proc_pid_stat(5): "PID (NAME) STATE PARENT ...", where NAME may hold
// anything.
func parentsFromProc() (map[int]int, error) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(stats) == 0 {
		return nil, errors.New("no /proc")
	}
	parents := map[int]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 {
			addProcess(parents, filepath.Base(filepath.Dir(path)), fields[1])
		}
	}
	return parents, nil
}

func parentsFromPS() (map[int]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	parents := map[int]int{}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			addProcess(parents, fields[0], fields[1])
		}
	}
	return parents, nil
}

func addProcess(parents map[int]int, pid, parent string) {
	p, err := strconv.Atoi(pid)
	if err != nil {
		return
	}
	if pp, err := strconv.Atoi(parent); err == nil {
		parents[p] = pp
	}
}
