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
	mu  sync.Mutex
	all []*connections
}

func (s *spare) add(c *connections) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, c)
}

func (s *spare) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.closeKept()
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
