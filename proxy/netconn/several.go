package netconn

import "time"

// Several is a Handler of a client that sends several requests at a time. Its connection is read
// all the while, so nothing bounds a wait but the handler's own Tick. Other goroutines may write,
// one at a time: see WriteAll.
type Several interface {
	Handler
	// Woken is called outside of the wait when something has woken it: Wake, WakeSeveral, or a
	// change of what Leaves and MustEnd report.
	Woken() Verdict
	// Lost is called outside of the wait when the connection has failed with err: io.EOF if the
	// client has ended it.
	Lost(err error) Verdict
	// Tick is called at each tick, by the registry's goroutine with the registry locked. It must
	// neither wait nor call what locks that, such as Close or MakeRoom.
	Tick()
	// CutLasting cuts the requests that are lasting, and returns how many there were. It is called
	// like Tick.
	CutLasting() int
}

// ServeSeveral is Serve for a client that sends several requests at a time.
func (c *Client) ServeSeveral(h Several) {
	c.become(h)
	c.Serve(h)
}

// become has the client send several requests at a time.
func (c *Client) become(h Several) {
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	c.several = h
	c.phase = inWait
	c.idleSince.Store(c.now())
	c.stage.Store(fresh)
}

// awaitSeveral is await for several requests at a time.
func (c *Client) awaitSeveral() Verdict {
	_, err := c.readEach(c.wait.handler, c.wait.arrived)
	if err == nil {
		return c.wait.verdict
	}
	if err != errWoken {
		return c.several.Lost(err)
	}
	v := c.several.Woken()
	if c.looked.rest.Swap(false) && v == Wait {
		return rest
	}
	return v
}

// GoOn has another goroutine read the connection, while this one, within Attend, serves one of the
// requests. Attend returns WentOn then. Any goroutine may call it, once for each Attend, if it
// keeps Attend from returning meanwhile.
func (c *Client) GoOn() {
	c.wait.verdict = Wait
	go c.serve()
}

// Drained reports, within Arrived, whether all that was read came with that call. Only TLS may have
// more: a Lend that wasn't filled shows the same of the socket.
func (c *Client) Drained() bool { return c.layer.drained() }

// Wake has Woken be called.
func (c *Client) Wake() { c.wakeRead() }

// WakeSeveral has Woken be called for all clients that send several requests at a time.
func (all *Clients) WakeSeveral() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.each() {
		if c.several != nil {
			c.Wake()
		}
	}
}

// Leaves reports whether the connection is to end once its requests have: the registry is closing,
// or others need its place.
func (c *Client) Leaves() bool { return c.mustLeave() }

// MustEnd reports whether no request may begin any more. Who begins one must have said so before by
// Stands.
func (c *Client) MustEnd() bool { return c.all.closed.Load() }

// CutsLasting reports whether what is lasting is to be cut.
func (c *Client) CutsLasting() bool { return c.all.cutting.Load() }

// Standing is what the requests of a client that sends several at a time are up to together.
type Standing int32

const (
	// Idle: there are none.
	Idle Standing = iota
	// Asks: there are some, and more may come.
	Asks
	// Over: all were admitted, if there are any, and no other one may begin.
	Over
)

// Stands notes what the client's requests are up to. MakeRoom is to follow once they are idle.
func (c *Client) Stands(s Standing) {
	switch s {
	case Asks:
		c.stage.Store(asking)
	case Over:
		c.Admitted()
	case Idle:
		c.idleSince.Store(c.now())
		c.stage.Store(kept)
	}
}

// MakeRoom tells whoever waits for room that the client has no requests.
func (c *Client) MakeRoom() { c.makeRoom() }

// WriteAll is Write under the limits of now. It is for clients that send several requests at a
// time.
func (c *Client) WriteAll(p []byte) (int, error) {
	c.adopt()
	return c.Write(p)
}

// Limits are those that are in force now.
func (c *Client) Limits() *ClientLimits { return c.all.limits.Load() }

// Now is the registry's clock, in nanoseconds since some moment. It may be a tick behind.
func (c *Client) Now() int64 { return c.now() }

// Due is when something that may take limit from now is overdue by that clock; 0, never, if limit
// is 0.
func (c *Client) Due(limit time.Duration) int64 { return c.in(limit) }

// tick passes a tick on to those who have timeouts of their own.
func (c *Client) tick() {
	if c.several != nil {
		c.several.Tick()
	}
}
