package h2

import (
	"io"
	"sync"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/h2/message"
	"gopher-equalizer/proxy/netconn"
)

// connection is a client's connection. It is the connection's netconn.Several: one goroutine reads
// it. The requests on it run in others.
type connection struct {
	client *netconn.Client
	server *Server
	intake any
	limits *Limits
	// line is the runner's, whose mu guards it.
	line line

	// These are the reader's alone.
	lent    *h1.Buffer
	parser  parser
	decoder *decoder
	block   block
	// lone is a request that came alone, and that the reader may serve itself: see lead.
	lone *stream
	// greeted reports whether the client's first SETTINGS have come, dropping that the DATA of the
	// current frame are dropped.
	greeted, dropping bool

	// mu guards all that follows. Nothing that waits is called with it held, and nothing that locks
	// the client's registry.
	mu sync.Mutex
	// streams are those that have come and whose exchange hasn't ended, open how many the client
	// counts as open, and asking how many requests aren't admitted yet, with the one whose head is
	// coming if heading is true. lastID is the last stream that the client began, and taken the
	// last one that became a request.
	streams       table
	open, asking  int
	heading       bool
	lastID, taken uint32
	past          past
	remnants      remnants
	stood         netconn.Standing

	// recvWindow is how much more of all bodies the client may send, and unsaid by how much more it
	// may than it was told.
	recvWindow, unsaid int
	// sendWindow is how much more of all bodies we may send, firstSend how much of each, and
	// mostFrame how much in a frame.
	sendWindow, firstSend, mostFrame int

	out outbox
	message.Responses

	account account
	leaving leaving
	// leads is the stream that the reader serves itself; 0 if it reads. loneliness is how many
	// requests in turn have come alone; less than 0 after one that took long.
	leads      uint32
	loneliness int
	// settingsDue is when the client must have acknowledged our SETTINGS, headDue when the rest of
	// a head must have come, and idleDue when the connection has had no stream for too long; 0 is
	// never.
	settingsDue, headDue, idleDue int64
	// failed is why we end the connection at once; nil if we don't. lost reports that nothing more
	// can be sent.
	failed *Fault
	lost   bool
	// ended is closed when all streams and all writing have ended; nil before somebody waits.
	ended chan struct{}
}

func newConnection(s *Server, client *netconn.Client, intake any) *connection {
	limits := s.limits.Load()
	c := &connection{
		client: client, server: s, intake: intake, limits: limits,
		recvWindow: limits.ConnWindow,
		sendWindow: firstWindow, firstSend: firstWindow, mostFrame: maxFrame,
	}
	c.line.most = limits.MaxStreams
	c.decoder = newDecoder(2*limits.MaxHeader, c.takeField)
	now := client.Now()
	c.account.since = now
	c.idleDue = client.Due(client.Limits().Header)
	return c
}

// greet sends what the connection begins with on our side.
func (c *connection) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.settings(
		setting{settingMaxStreams, uint32(c.limits.MaxStreams)},
		setting{settingInitialWindow, uint32(c.limits.StreamWindow)},
		setting{settingMaxHeaderList, uint32(c.limits.MaxHeader)},
		setting{settingNoPriorities, 1},
	)
	if more := c.limits.ConnWindow - firstWindow; more > 0 {
		c.out.windowUpdate(0, more)
	}
	c.settingsDue = c.client.Due(c.client.Limits().Header)
	c.flush()
}

// Lend lends what the next bytes are read into.
func (c *connection) Lend() []byte {
	if c.lent == nil {
		c.lent = h1.GetBuffer()
	}
	return c.lent[:]
}

// GiveBack takes it back.
func (c *connection) GiveBack() {
	if c.lent != nil {
		h1.PutBuffer(c.lent)
		c.lent = nil
	}
}

// Arrived takes the frames that have come.
func (c *connection) Arrived(n int) netconn.Verdict {
	why := c.parser.parse(c.lent[:n], c)
	all := n < len(c.lent) // Else there is likely more.
	if all {
		c.GiveBack()
	}
	if !all || !c.parser.isBetween() || !c.client.Drained() {
		c.submitLone()
	}
	v := c.judge(why)
	if v != netconn.Wait {
		c.submitLone()
	} else if c.lone != nil {
		return netconn.Attend
	}
	return v
}

// judge finds what comes next after frames that had a fault; why is nil if they had none.
func (c *connection) judge(why *Fault) netconn.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why == nil && c.out.owed > mostOwed {
		why = &Fault{EnhanceYourCalm, "what answers its frames isn't read"}
	}
	if why != nil {
		c.fail(why)
	}
	return c.verdict()
}

// verdict is what comes next. The caller holds mu.
func (c *connection) verdict() netconn.Verdict {
	if c.failed != nil || c.lost || c.hasLeft() {
		return netconn.Attend
	}
	c.flushElsewhere()
	return netconn.Wait
}

// hasLeft reports whether the connection has come to its end in good order. The caller holds mu.
func (c *connection) hasLeft() bool {
	return c.leaving.state == left && c.streams.n == 0 && !c.heading
}

// Woken looks what there is to do.
func (c *connection) Woken() netconn.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.client.MustEnd():
		c.leaveUnheard()
	case c.client.Leaves() && c.leaving.isHeld():
		c.leaveNow()
	case c.client.Leaves(), c.server.settings.WantsClose(c.intake):
		c.leave()
	}
	return c.verdict()
}

// Lost notes that the client is gone.
func (c *connection) Lost(err error) netconn.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == io.EOF {
		err = errLost
	}
	c.lose(err)
	return netconn.Attend
}

// Attend serves a request that came alone, or ends the connection.
func (c *connection) Attend() netconn.Verdict {
	if s := c.lone; s != nil {
		c.lone = nil
		return c.lead(s)
	}
	return c.finish()
}

// finish ends the connection: it sends what is left to be said, and awaits the end of all streams.
func (c *connection) finish() netconn.Verdict {
	c.closeBlock()
	c.mu.Lock()
	lingers := !c.lost && (!c.leaving.quietly() || len(c.remnants) > 0)
	c.resetRemnants()
	c.flush()
	c.leaving.state = left
	c.settle()
	ended, why := make(chan struct{}), c.failed
	c.ended = ended
	c.checkEnded()
	c.mu.Unlock()
	<-ended
	if lingers {
		c.client.LeaveUnread()
	}
	c.server.ended(c, why)
	return netconn.End
}

// checkEnded tells Attend that all has ended. The caller holds mu.
func (c *connection) checkEnded() {
	if c.ended != nil && c.streams.n == 0 && !c.out.writing {
		c.out.drop()
		close(c.ended)
		c.ended = nil
	}
}

// fail ends the connection for a fault of the client's. The caller holds mu, and Wakes the
// connection unless it is the reader.
func (c *connection) fail(why *Fault) {
	if c.failed != nil || c.lost {
		return
	}
	c.failed = why
	c.out.goAway(c.taken, why.Code, why.Detail)
	c.breakAll(why)
}

// lose notes that nothing more can be sent. The caller holds mu.
func (c *connection) lose(err error) {
	c.lost = true
	c.out.drop()
	c.breakAll(err)
}

// breakAll breaks all streams off. The caller holds mu.
func (c *connection) breakAll(why error) {
	c.streams.each(func(s *stream) {
		if s.broken == nil {
			c.breakOff(s, why)
		}
	})
}

// Tick looks whether something takes too long.
func (c *connection) Tick() {
	c.server.runner.trim(c.client.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil || c.lost {
		return
	}
	now := c.client.Now()
	late := func(due int64) bool { return due != 0 && due <= now }
	switch {
	case late(c.settingsDue):
		c.fail(&Fault{SettingsTimeout, "SETTINGS were not acknowledged in time"})
	case late(c.headDue):
		c.fail(&Fault{ProtocolError, "the rest of a head didn't come in time"})
	case late(c.idleDue):
		c.leaveNow()
	case late(c.leaving.due):
		c.leaveUnlessHeld()
	default:
		c.tickStreams(now)
		c.tickRemnants(now)
		return
	}
	c.client.Wake()
}

// tickStreams wakes what has waited long enough. The caller holds mu.
func (c *connection) tickStreams(now int64) {
	c.streams.each(func(s *stream) {
		if s.turn != nil {
			s.turn.readable.tick(now)
			s.turn.writable.tick(now)
		}
	})
	if c.sendWindow > 0 {
		return
	}
	for _, t := range c.out.waiting { // Those that began to wait before it was shut.
		if t.writable.due == 0 {
			t.writable.wake()
		}
	}
}

// CutLasting cuts the streams that last.
func (c *connection) CutLasting() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams.each(func(s *stream) {
		if s.lasts && s.broken == nil && !s.endedOut {
			c.cut(s)
			n++
		}
	})
	c.flushElsewhere()
	return n
}

// cut cuts a stream. The caller holds mu.
func (c *connection) cut(s *stream) {
	s.wasCut = true
	c.reset(s, NoError, errCut)
}

// settle notes what the requests are up to together. The caller holds mu.
func (c *connection) settle() {
	stands := netconn.Asks
	switch {
	case c.asking > 0:
	case c.leaving.state == left:
		stands = netconn.Over
	case c.leaving.state == stays && c.streams.n == 0:
		stands = netconn.Idle
	}
	if stands != c.stood {
		c.stood = stands
		c.client.Stands(stands)
	}
}

// end ends a stream whose exchange has ended, and reports whether the connection has none any more.
func (c *connection) end(s *stream) (idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken == nil && !s.endedOut {
		c.reset(s, InternalError, errCut)
	}
	c.streams.remove(s)
	c.server.counters.streams.Add(-1)
	if s.asks {
		c.asking--
	}
	if c.streams.n == 0 {
		c.loneliness++
		c.idleDue = c.client.Due(c.client.Limits().Idle)
	}
	if c.server.settings.WantsClose(c.intake) {
		c.leave()
	}
	c.settle()
	if c.hasLeft() {
		c.client.Wake()
	}
	c.flush()
	c.checkEnded()
	return c.stood == netconn.Idle
}
