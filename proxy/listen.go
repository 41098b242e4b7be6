package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// acceptQuiet is for how long no connection must have come before a listener counts as drained.
	acceptQuiet = 2 * time.Millisecond
	// acceptAtMost bounds the draining of a listener that connections don't stop coming to. A
	// successor waits for that long.
	acceptAtMost = 100 * time.Millisecond
	// The pauses after failed accepts, as when there are no file descriptors left.
	acceptPause, acceptLongestPause = 5 * time.Millisecond, time.Second
)

// accepting accepts connections on listeners.
type accepting struct {
	room  room
	serve func(net.Conn)
	log   zerolog.Logger
	// stop is closed when no more is to be accepted than what has come.
	stop    chan struct{}
	stopped sync.Once

	mu        sync.Mutex
	listeners []net.Listener
	loops     sync.WaitGroup
}

// room bounds the connections. HasRoom reports whether there may be another one, and AwaitRoom
// waits for that, or until stop is closed.
type room interface {
	HasRoom() bool
	AwaitRoom(stop <-chan struct{})
}

func (a *accepting) init(r room, serve func(net.Conn), log zerolog.Logger) {
	a.room, a.serve, a.log = r, serve, log
	a.stop = make(chan struct{})
}

// listen notes another listener, unless it is too late for that. The caller must call loops.Done.
func (a *accepting) listen(ln net.Listener) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping() {
		return false
	}
	a.listeners = append(a.listeners, ln)
	a.loops.Add(1)
	return true
}

func (a *accepting) stopping() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// pause waits, or returns early if we are stopping.
func (a *accepting) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-a.stop:
	case <-timer.C:
	}
}

// finish has all listeners drained and closed, which takes acceptAtMost at most.
func (a *accepting) finish() {
	a.mu.Lock()
	a.stopped.Do(func() { close(a.stop) })
	for _, ln := range a.listeners {
		if d, ok := ln.(deadliner); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
			_ = ln.Close()
		}
	}
	a.mu.Unlock()
	a.loops.Wait()
}

// deadliner is a listener whose Accept can be interrupted.
type deadliner interface{ SetDeadline(time.Time) error }

// Serve accepts connections on ln and serves them. While there are as many as there may be, it
// holds the next one until one of them closes, and leaves the rest to the system's queue. It
// returns nil once Close has drained and closed ln, or was called before. It may be called for
// several listeners at once.
func (a *accepting) Serve(ln net.Listener) error {
	if !a.listen(ln) {
		return ln.Close()
	}
	defer a.loops.Done()
	pause := acceptPause
	for !a.stopping() {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			a.room.AwaitRoom(a.stop)
			a.serve(conn)
		case a.stopping():
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		default:
			a.log.Warn().Err(err).Dur("pause", pause).Msg("accepting a connection failed")
			a.pause(pause)
			pause = min(2*pause, acceptLongestPause)
		}
	}
	a.acceptRest(ln)
	return nil
}

// acceptRest accepts until no connection waits or there is no room for more, and closes ln.
func (a *accepting) acceptRest(ln net.Listener) {
	defer ln.Close()
	d, ok := ln.(deadliner)
	for end := time.Now().Add(acceptAtMost); ok && a.room.HasRoom() && time.Now().Before(end); {
		if d.SetDeadline(time.Now().Add(acceptQuiet)) != nil {
			return
		}
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		a.serve(conn)
	}
}
