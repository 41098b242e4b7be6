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

// patientListener waits where the machine is out of file descriptors or memory. fasthttp would take
// that for the end of the listener, and traffic's peak would take the admin API with it. It may be
// closed more than once: by Shutdown, which can't know whether fasthttp has it yet, and by
// fasthttp.
type patientListener struct {
	net.Listener
	close func() error
}

func newPatientListener(ln net.Listener) patientListener {
	return patientListener{Listener: ln, close: sync.OnceValue(ln.Close)}
}

// Close says each time what it said the first time.
func (l patientListener) Close() error { return l.close() }

// Accept returns the errors that stay.
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
