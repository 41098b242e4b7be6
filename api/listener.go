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
// fasthttp, and by Shutdown, which can't know whether fasthttp has it yet.
type patientListener struct {
	net.Listener
	close func() error
}

func newPatientListener(ln net.Listener) patientListener {
	return patientListener{Listener: ln, close: sync.OnceValue(ln.Close)}
}

// Close closes the listener once, and returns the same error each time.
func (l patientListener) Close() error { return l.close() }

// Accept retries after errors that pass.
func (l patientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err == nil || !passing(err) {
			return conn, err
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
