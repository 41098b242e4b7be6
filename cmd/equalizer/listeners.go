package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"gopher-equalizer/proxy"
)

// listener is one that is open.
type listener struct {
	net.Listener
	wantedListener
	// passed reports whether a supervisor passed it.
	passed bool
}

// wantedListener is one that a configuration asks for.
type wantedListener struct {
	// name is what a supervisor calls it, key the key that its address is from.
	name, key string
	// address is where it is to listen, as it is configured.
	address string
	// how the proxy's are served; of no meaning for others.
	how proxy.Listener
}

// listeners are those of one server that are open. A reload keeps those whose address stays.
type listeners struct {
	// open opens one that isn't there yet.
	open func(context.Context, wantedListener) (net.Listener, error)
	// passed are the names of those that a supervisor passed to the start.
	passed []string
	// serve begins to serve one, change has it be served in another way, and retire ends it: see
	// proxy.Proxy.
	serve, change func(net.Listener, proxy.Listener)
	retire        func(net.Listener)

	all []*listener
}

// listenersChange is what listeners are to be. It is published or discarded.
type listenersChange struct {
	of             *listeners
	all            []*listener
	opened, closed []*listener
	// kept are those that stay open, each as it is to be.
	kept []keptListener
}

// keptListener is a listener that stays open, and what it is to be.
type keptListener struct {
	*listener
	wanted wantedListener
}

// prepare opens the listeners that are wanted and not there yet. Nothing is accepted on them before
// publish, and nothing is closed.
func (l *listeners) prepare(ctx context.Context, wanted []wantedListener) (*listenersChange, error) {
	c := &listenersChange{of: l}
	if err := l.keepsPassed(wanted); err != nil {
		return nil, err
	}
	for _, w := range wanted {
		if kept := l.find(w.address); kept != nil {
			c.all, c.kept = append(c.all, kept), append(c.kept, keptListener{kept, w})
			continue
		}
		ln, err := l.open(ctx, w)
		if err != nil {
			c.discard()
			return nil, err
		}
		opened := &listener{ln, w, len(l.all) == 0 && slices.Contains(l.passed, w.name)}
		c.all, c.opened = append(c.all, opened), append(c.opened, opened)
	}
	for _, before := range l.all {
		if !slices.Contains(c.all, before) {
			c.closed = append(c.closed, before)
		}
	}
	return c, nil
}

// keepsPassed refuses to do without a listener that a supervisor passed. It would have to be open
// all the same, and take connections that nobody serves.
func (l *listeners) keepsPassed(wanted []wantedListener) error {
	for _, open := range l.all {
		stays := slices.ContainsFunc(wanted, func(w wantedListener) bool { return l.find(w.address) == open })
		if !open.passed || stays {
			continue
		}
		key := "listeners"
		if len(wanted) == 1 {
			key = wanted[0].key
		}
		return problem(key, "the socket on %s was passed by a supervisor, so another address in its place takes a restart; "+
			"change the supervisor's socket unit too, or put this back", open.Addr())
	}
	return nil
}

// addresses are where they listen, separated by commas.
func (l *listeners) addresses() string {
	var all []string
	for _, open := range l.all {
		all = append(all, open.Addr().String())
	}
	return strings.Join(all, ", ")
}

// isGone reports whether the file of a unix socket was removed, so that nobody can connect.
func (l *listener) isGone() bool {
	u, ok := l.Listener.(*net.UnixListener)
	if !ok {
		return false
	}
	_, err := os.Lstat(u.Addr().String())
	if errors.Is(err, fs.ErrNotExist) {
		u.SetUnlinkOnClose(false) // The file will be another listener's.
		return true
	}
	return false
}

// find is the open listener for an address, however that is written; nil if there is none.
func (l *listeners) find(address string) *listener {
	for _, open := range l.all {
		if open.address == address && !open.isGone() {
			return open
		}
	}
	for _, open := range l.all {
		if (socket{Listener: open.Listener}).isOn(address) {
			return open
		}
	}
	return nil
}

// publish begins to serve what was opened. It may be called again.
func (c *listenersChange) publish() {
	c.of.all = c.all
	for _, kept := range c.kept {
		kept.wantedListener = kept.wanted
		c.of.change(kept.Listener, kept.how)
	}
	for _, opened := range c.opened {
		c.of.serve(opened.Listener, opened.how)
	}
	c.opened = nil
}

// drain closes those that aren't wanted any more. What came over them goes on.
func (c *listenersChange) drain() {
	for _, closed := range c.closed {
		c.of.retire(closed.Listener)
	}
}

// discard closes what was opened.
func (c *listenersChange) discard() {
	for _, opened := range c.opened {
		_ = opened.Close() // Nobody has served it.
	}
}
