package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// acceptQuiet is for how long no connection must have come before a listener counts as drained.
	acceptQuiet = 2 * time.Millisecond
	// acceptAtMost bounds the draining of a listener that connections don't stop coming to. A
	// successor waits for that long.
	acceptAtMost = 100 * time.Millisecond
	// headGrace is for how long heads may go on to arrive once the listeners are closed. A
	// successor waits for that, too.
	headGrace = 500 * time.Millisecond
	// cutGrace is for how long requests that were cut may take to end, and write their lines to the
	// log.
	cutGrace = time.Second
	// The pauses after failed accepts, as when there are no file descriptors left.
	acceptPause, acceptLongestPause = 5 * time.Millisecond, time.Second
)

// accepting is what is being accepted on.
type accepting struct {
	// draining has all responses say Connection: close.
	draining atomic.Bool
	// stop is closed when no more is to be accepted than what has come.
	stop    chan struct{}
	stopped sync.Once

	mu        sync.Mutex
	listeners []net.Listener
	loops     sync.WaitGroup
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

// Serve accepts connections on ln and serves them. While there are as many as Settings allow, it
// holds the next one until one of them closes, and leaves the rest to the system's queue. It
// returns nil once Close has drained and closed ln, or was called before. It may be called for
// several listeners at once.
func (p *Proxy) Serve(ln net.Listener) error {
	if !p.listen(ln) {
		return ln.Close()
	}
	defer p.loops.Done()
	pause := acceptPause
	for !p.stopping() {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			p.clients.AwaitRoom(p.stop)
			p.serve(conn)
		case p.stopping():
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		default:
			p.log.Warn().Err(err).Dur("pause", pause).Msg("accepting a connection failed")
			p.pause(pause)
			pause = min(2*pause, acceptLongestPause)
		}
	}
	p.acceptRest(ln)
	return nil
}

// acceptRest accepts until no connection waits or there is no room for more, and closes ln.
func (p *Proxy) acceptRest(ln net.Listener) {
	defer ln.Close()
	d, ok := ln.(deadliner)
	for end := time.Now().Add(acceptAtMost); ok && p.clients.HasRoom() && time.Now().Before(end); {
		if d.SetDeadline(time.Now().Add(acceptQuiet)) != nil {
			return
		}
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		p.serve(conn)
	}
}

// serve serves a connection in a goroutine of its own, which ends with the connection.
func (p *Proxy) serve(conn net.Conn) {
	go p.http1.Serve(p.clients.Add(conn, nil))
}

// Drain has every response say Connection: close from now on. Connections are accepted and requests
// served as before.
func (p *Proxy) Drain() { p.draining.Store(true) }

// Close ends the intake: it accepts what waits to be accepted, closes the listeners, and closes the
// connections that wait for a request. It returns when no request can spend a token any more:
// each was taken or refused, a head that isn't whole within headGrace with a 408. What is being
// relayed goes on: see Wait. The error is the cause of ctx's end, if that comes first.
func (p *Proxy) Close(ctx context.Context) error {
	p.Drain()
	p.accepting.finish()
	return p.clients.Close(ctx, headGrace)
}

// Wait waits for what is relayed after Close. When ctx ends, it cuts what still is and says in an
// error how much that was.
func (p *Proxy) Wait(ctx context.Context) error {
	err := p.clients.Wait(ctx)
	if err == nil {
		return nil
	}
	n := p.clients.Cut()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
	defer cancel()
	_ = p.clients.Wait(ending) // What hasn't ended by then has no line.
	return fmt.Errorf("%d connections were cut: %w", n, err)
}

// CutLasting cuts the tunnels and event streams, those that begin later too, and returns how many
// there were. Their clients are used to coming back.
func (p *Proxy) CutLasting() int { return p.clients.CutLasting() }
