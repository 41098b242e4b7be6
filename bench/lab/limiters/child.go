//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// roleVariable makes this program, or its tests, one of the other processes.
const roleVariable = "LIMITERS_ROLE"

const loadRole, proxyRole = "load", "proxy"

// serveRole is the main function of the process that the environment names. It returns false if
// that names none.
func serveRole() (served bool, err error) {
	switch os.Getenv(roleVariable) {
	case loadRole:
		return true, serveLoad(os.Stdin, os.Stdout)
	case proxyRole:
		return true, serveProxy(os.Args[1], os.Args[2], os.Stdin, os.Stdout)
	}
	return false, nil
}

// child is another process of this program, as its parent sees it. It prints where it listens, and
// then responds to lines of JSON.
type child struct {
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

func startChild(role string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...)}
	c.cmd.Stderr = os.Stderr
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.hear(&c.address); err != nil {
		c.stop()
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return c, nil
}

// ask writes a line, and waits for the response.
func (c *child) ask(question, response any) error {
	if err := json.NewEncoder(c.in).Encode(question); err != nil {
		return err
	}
	return c.hear(response)
}

func (c *child) hear(response any) error {
	if !c.out.Scan() {
		return fmt.Errorf("its process ended: %w", c.out.Err())
	}
	return json.Unmarshal(c.out.Bytes(), response)
}

// stop ends the child, which ends with its input.
func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait() // its end changes no figure
}

// respond is a child's loop. It prints where it listens, and then the response to each request,
// until its input ends.
func respond[Q, A any](address string, in io.Reader, out io.Writer, to func(Q) A) error {
	encoder := json.NewEncoder(out)
	if err := encoder.Encode(address); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var question Q
		if err := json.Unmarshal(lines.Bytes(), &question); err != nil {
			return err
		}
		if err := encoder.Encode(to(question)); err != nil {
			return err
		}
	}
	return nil
}
