package api

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// acceptPause is how long a patientListener waits before it tries again.
const acceptPause = 100 * time.Millisecond

// patientListener waits while the machine has no file descriptor or memory left. fasthttp would
// stop serving, so a peak of traffic would end the admin API. It may be closed more than once: by
// fasthttp, by StopAccepting, which can't know whether fasthttp has it yet, and by its owner.
type patientListener struct {
	net.Listener
	// secure makes of a connection what is to be served.
	secure func(net.Conn) net.Conn
	close  func() error
}

func newPatientListener(ln net.Listener, secure func(net.Conn) net.Conn) *patientListener {
	return &patientListener{Listener: ln, secure: secure, close: sync.OnceValue(func() error {
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})}
}

// Close closes the listener once, and returns the same error each time.
func (l *patientListener) Close() error { return l.close() }

// Accept retries after errors that pass.
func (l *patientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			return l.secure(conn), nil
		case !passing(err):
			return nil, err
		}
		time.Sleep(acceptPause)
	}
}

func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
