package proxy

import (
	"errors"
	"sync"
	"syscall"
)

// spare are the kept connections to all backends, which are closed when there are no descriptors
// left for one that is needed: those of a backend that had more to do a while ago take some that
// another one's need now.
type spare struct {
	mu sync.Mutex
	// closeKept close those of a backend each.
	closeKept []func()
}

func (s *spare) register(closeKept func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeKept = append(s.closeKept, closeKept)
}

func (s *spare) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, closeKept := range s.closeKept {
		closeKept()
	}
}

// dialWith dials, and once more without the kept connections if there are no descriptors left.
func dialWith[Conn any](s *spare, dial func() (Conn, error)) (Conn, error) {
	conn, err := dial()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		s.closeIdle()
		return dial()
	}
	return conn, err
}
