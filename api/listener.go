package api

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// acceptPause is how long a patientListener waits before it tries again.
const acceptPause = 100 * time.Millisecond

// patientListener waits where the machine is out of file descriptors or memory. fasthttp would take
// that for the end of the listener, and traffic's peak would take the admin API with it.
type patientListener struct{ net.Listener }

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
