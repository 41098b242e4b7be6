package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
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
	serve func(net.Conn, *intake)
	log   zerolog.Logger

	mu      sync.Mutex
	intakes map[net.Listener]*intake
	// finished reports whether no more listeners are served.
	finished bool
	loops    sync.WaitGroup
}

// room bounds the connections. HasRoom reports whether there may be another one, and AwaitRoom
// waits for that, or until stop is closed.
type room interface {
	HasRoom() bool
	AwaitRoom(stop <-chan struct{})
}

func (a *accepting) init(r room, serve func(net.Conn, *intake), log zerolog.Logger) {
	a.room, a.serve, a.log = r, serve, log
	a.intakes = map[net.Listener]*intake{}
}

// intake is what comes in on one listener.
type intake struct {
	net.Listener
	// how its clients are served.
	how atomic.Pointer[arrival]
	// served reports whether Serve has begun. accepting.mu guards it.
	served bool
	// stop is closed when no more is to be accepted than what has come, ended when the listener is
	// closed.
	stop, ended chan struct{}
}

func newIntake(ln net.Listener, how Listener) *intake {
	i := &intake{Listener: ln, stop: make(chan struct{}), ended: make(chan struct{})}
	i.serveAs(how)
	return i
}

// serveAs has what begins from now on be served as how says.
func (i *intake) serveAs(how Listener) { i.how.Store(&arrival{by: i, as: how}) }

// arrival is how the clients of an intake are served from some moment on. Each connection has that
// of its own beginning.
type arrival struct {
	by *intake
	as Listener
}

// now is how requests are served that begin now.
func (a *arrival) now() *Listener { return &a.by.how.Load().as }

func (i *intake) stopping() bool {
	select {
	case <-i.stop:
		return true
	default:
		return false
	}
}

// end has the intake drained and closed. The caller holds accepting.mu.
func (i *intake) end() {
	if i.stopping() {
		return
	}
	close(i.stop)
	if d, ok := i.Listener.(deadliner); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
		_ = i.Close()
	}
}

// pause waits, or returns early if the intake is to end.
func (i *intake) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-i.stop:
	case <-timer.C:
	}
}

// deadliner is a listener whose Accept can be interrupted.
type deadliner interface{ SetDeadline(time.Time) error }

// listen notes another listener. It returns nil if no connection may be accepted on it any more.
// The caller must call leave.
func (a *accepting) listen(ln net.Listener, how Listener) *intake {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.intakes[ln]
	if a.finished || i != nil && i.stopping() {
		delete(a.intakes, ln)
		return nil
	}
	if i == nil { // Change hasn't been called for it.
		i = newIntake(ln, how)
		a.intakes[ln] = i
	}
	i.served = true
	a.loops.Add(1)
	return i
}

// Change has the connections that come on a listener from now on, and the requests that come on
// those that there are, be served as how says. Those go on by TLS, or in clear, as they began. A
// request over one that could not begin like that any more, since TLS wants more of its client, is
// 421. It may be called before Serve, whose own word doesn't count then.
func (a *accepting) Change(ln net.Listener, how Listener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := a.intakes[ln]; i != nil {
		i.serveAs(how)
	} else {
		a.intakes[ln] = newIntake(ln, how)
	}
}

// leave forgets a listener that is closed.
func (a *accepting) leave(i *intake) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.intakes, i.Listener)
	close(i.ended)
	a.loops.Done()
}

// finish has all listeners drained and closed, which takes acceptAtMost at most.
func (a *accepting) finish() {
	a.mu.Lock()
	a.finished = true
	for _, i := range a.intakes {
		i.end()
	}
	a.mu.Unlock()
	a.loops.Wait()
}

// Retire accepts what waits on a listener, and closes it, which takes acceptAtMost at most. The
// connections go on. It may be called before Serve, which then returns at once, but not again.
func (a *accepting) Retire(ln net.Listener) {
	a.mu.Lock()
	i := a.intakes[ln]
	if i == nil {
		i = newIntake(ln, Listener{})
		a.intakes[ln] = i
	}
	served := i.served
	if !served {
		close(i.ended)
	}
	i.end()
	a.mu.Unlock()
	<-i.ended
	if !served {
		_ = ln.Close() // Nobody has accepted on it.
	}
}

// Serve accepts connections on ln and serves them as how says. While there are as many as there
// may be, it holds the next one until one of them closes, and leaves the rest to the system's
// queue. It returns nil once Close or Retire has drained and closed ln, or was called before. It
// may be called for several listeners at once.
func (a *accepting) Serve(ln net.Listener, how Listener) error {
	i := a.listen(ln, how)
	if i == nil {
		_ = ln.Close() // Retire may have closed it.
		return nil
	}
	defer a.leave(i)
	pause := acceptPause
	for !i.stopping() {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			a.room.AwaitRoom(i.stop)
			a.serve(conn, i)
		case i.stopping():
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		default:
			a.log.Warn().Err(err).Dur("pause", pause).Msg("accepting a connection failed")
			i.pause(pause)
			pause = min(2*pause, acceptLongestPause)
		}
	}
	a.acceptRest(i)
	return nil
}

// acceptRest accepts until no connection waits or there is no room for more, and closes the
// listener.
func (a *accepting) acceptRest(i *intake) {
	defer i.Close()
	d, ok := i.Listener.(deadliner)
	for end := time.Now().Add(acceptAtMost); ok && a.room.HasRoom() && time.Now().Before(end); {
		if d.SetDeadline(time.Now().Add(acceptQuiet)) != nil {
			return
		}
		conn, err := i.Accept()
		if err != nil {
			return
		}
		a.serve(conn, i)
	}
}
