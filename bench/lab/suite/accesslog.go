//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"gopher-equalizer/bench/lab/child"
)

// accessLog is the file that a proxy writes a line to for each request.
type accessLog struct {
	path    string
	flush   syscall.Signal // makes the proxy write what it keeps in a buffer; 0: it does so soon by itself
	process *child.Process
}

// logPatience is longer than any line takes to be written.
const logPatience = 2 * time.Second

// atLeast waits until there are at least n lines since forget, and returns how many there are. A
// line may be written after its response.
func (l *accessLog) atLeast(ctx context.Context, least int64) (lines int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	err = l.process.Await(ctx, func() (err error) {
		if l.flush != 0 {
			if err := l.process.Signal(l.flush); err != nil {
				return err
			}
		}
		if lines, err = l.lines(); err == nil && lines < least {
			err = fmt.Errorf("its access log has %d lines; want at least %d", lines, least)
		}
		return err
	})
	return lines, err
}

// method stands once in the line of a request, whosever it is. Other lines lack it, such as that of
// a client that left before its TLS handshake, as wrk does to see whether the target is there.
const method = `"GET`

func (l *accessLog) lines() (int64, error) {
	text, err := os.ReadFile(l.path)
	return int64(bytes.Count(text, []byte(method))), err
}

// forget empties the log, which gets long. Lines count from here on. None may be on its way.
func (l *accessLog) forget() error {
	if err := os.Truncate(l.path, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
