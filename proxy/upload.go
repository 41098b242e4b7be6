package proxy

import (
	"time"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/outcome"
)

// smallBody is the largest body that is read before a connection to a backend is taken, and how
// much of a chunked one is. It then goes out together with the head.
const smallBody = 8 << 10

// source is where a request's body comes from.
type source interface {
	// TakeBody takes what has come of the body. It stays good until more is read.
	TakeBody() ([]byte, error)
	// AwaitBody waits for more of the body, for TakeBody. AwaitBodyUntil does so up to a moment, as
	// Soon returns it, and reports whether any came.
	AwaitBody() error
	AwaitBodyUntil(moment int64) (came bool, err error)
	Soon(d time.Duration) int64
	// ReadBody waits for some of the body: n bytes of data in p. The body may be complete then.
	ReadBody(p []byte) (n int, err error)
	// Complete reports whether all of the body was read. Trailers are the fields behind it.
	Complete() bool
	Trailers() []http1.Field
	// Offset is how many bytes of the request were read, its head and the data of its body.
	Offset() int
	// Last notes that no other request may follow on the client's connection.
	Last()
	// Interrupt makes the reading that runs now fail with netconn.ErrInterrupted, and all that
	// begins later, until Resume.
	Interrupt()
	Resume()
}

// upload is a request's body on its way to the backend. What has come with the head goes out with
// the head; the rest follows while the response is awaited and relayed, in a goroutine that ends
// before the exchange does.
type upload struct {
	from source
	to   *h1.Exchange
	// contain recovers from a panic, as outcome.Recorder does.
	contain func(*error)
	// head is the request's.
	head *http1.Request
	// ready is the first part of the body.
	ready []byte
	// read is how much came from the client, most how much may come; 0 doesn't bound it.
	read, most int64
	// keeps is how many bytes of the body ready may hold, so that it can be sent again.
	keeps int
	// started reports that the goroutine was started, and running that it wasn't awaited yet; it
	// says so in done.
	started, running bool
	done             chan struct{}
	// all reports that the whole body was sent.
	all bool
	// failure is the client's, if it didn't send the body as it should have.
	failure error
}

func (u *upload) init(from source, to *h1.Exchange, contain func(*error)) {
	u.from, u.to, u.contain = from, to, contain
	u.done = make(chan struct{}, 1)
}

// begin begins the body of a request, which may have so many bytes; 0 doesn't bound it. It reports
// whether it may have those that its head says.
func (u *upload) begin(h *http1.Request, most int64) bool {
	u.head, u.most = h, most
	return !u.exceeds(h.Size)
}

// exceeds reports whether a body of size, as far as it is known, is larger than it may be.
func (u *upload) exceeds(size int64) bool { return u.most > 0 && size > u.most }

// complete reports whether nothing of the body is left to be sent.
func (u *upload) complete() bool { return u.from.Complete() && (!u.started || u.all) }

// prepare takes what has come of the body, and waits for more where no connection to a backend
// shall wait for it. It keeps that many bytes of it, to be sent again. A client that expects a 100
// isn't waited for: it waits itself.
func (u *upload) prepare(bodyWait time.Duration, keeps int) error {
	u.keeps = keeps
	err := u.takeArrived()
	if err == nil && !u.head.Expect {
		err = u.await(bodyWait)
	}
	return outcome.OfBody(err)
}

// await waits for all of a small body, or for as much of a chunked one, for bodyWait at most.
func (u *upload) await(bodyWait time.Duration) error {
	switch size := u.head.Size; {
	case size > smallBody, size == http1.SizeChunked && bodyWait == 0:
		return nil
	case size == http1.SizeChunked:
		return u.awaitChunks(u.from.Soon(bodyWait))
	}
	for !u.from.Complete() {
		if err := u.from.AwaitBody(); err != nil {
			return err
		}
		if err := u.takeArrived(); err != nil {
			return err
		}
	}
	return nil
}

// awaitChunks waits for the first part of a chunked body, until a moment at the latest.
func (u *upload) awaitChunks(moment int64) error {
	for !u.from.Complete() && u.read < smallBody {
		if came, err := u.from.AwaitBodyUntil(moment); !came {
			return err
		}
		if err := u.takeArrived(); err != nil {
			return err
		}
	}
	return nil
}

// takeArrived makes what has come of the body ready.
func (u *upload) takeArrived() error {
	data, err := u.from.TakeBody()
	u.read += int64(len(data))
	if err == nil && u.exceeds(u.read) {
		err = outcome.TooLarge(u.from.Offset())
	}
	u.ready = append(u.ready, data...)
	return err
}

// isKept reports whether the request is idempotent and its body, if it has one, is to be kept.
func (u *upload) isKept() bool {
	return u.head.Idempotent() && (!u.head.HasBody() || u.keeps > 0 && u.head.Size <= int64(u.keeps))
}

// keep keeps a part of the body that was read, if there is room for it and for all before it.
func (u *upload) keep(data []byte) {
	if u.isKept() && u.read <= int64(u.keeps) {
		u.ready = append(u.ready, data...)
	}
}

// mayResend reports whether the request may be sent again, with a body that is kept as far as it
// was read. It ends the sending of the body.
func (u *upload) mayResend() bool {
	if !u.isKept() {
		return false
	}
	u.stop()
	return int64(len(u.ready)) == u.read && (u.read <= int64(u.keeps) || !u.head.HasBody())
}

// again begins the body anew, to be sent once more.
func (u *upload) again() { u.started, u.all = false, false }

// leave leaves the rest of a body that nobody wants any more.
func (u *upload) leave() {
	if !u.complete() {
		u.from.Last()
	}
}

// start begins to send the rest of the body.
func (u *upload) start() {
	u.started, u.running = true, true
	go u.run()
}

// settled reports, without waiting, whether the whole body was sent.
func (u *upload) settled() bool {
	if u.running {
		select {
		case <-u.done:
			u.running = false
		default:
			return false
		}
	}
	return u.complete()
}

// stop ends the sending of the body, wherever it is, and waits for its end. A body that was sent
// already is complete then.
func (u *upload) stop() {
	if u.settled(); !u.running {
		return
	}
	u.running = false
	u.from.Interrupt()
	u.to.Conn.Interrupt()
	<-u.done
	u.from.Resume()
	u.to.Conn.Resume()
}

// run sends the body from where it is to its end. A failure of the client's interrupts the wait for
// the response; a backend that takes no more may have responded, and has the time for it that any
// has.
func (u *upload) run() {
	defer func() {
		if u.failure != nil {
			u.to.Conn.Interrupt()
		}
		u.done <- struct{}{}
	}()
	defer u.contain(&u.failure)
	u.failure = outcome.OfBody(u.send())
}

// send sends the body from where it is to its end. The error is the client's.
func (u *upload) send() error {
	buf := h1.GetBuffer()
	defer h1.PutBuffer(buf)
	for !u.from.Complete() {
		n, err := u.from.ReadBody(h1.Room(buf))
		if u.read += int64(n); err == nil && u.exceeds(u.read) {
			err = outcome.TooLarge(u.from.Offset())
		}
		if err != nil {
			return err
		}
		u.keep(h1.Room(buf)[:n])
		last := u.from.Complete()
		if err := u.to.WriteBody(h1.Piece{Buffer: buf, N: n, Last: last, Trailers: u.from.Trailers()}); err != nil {
			u.to.Conn.RequestSent() // as far as it ever will be
			return nil
		}
	}
	u.all = true
	u.to.Conn.RequestSent()
	return nil
}

// forget forgets the body, but keeps its memory.
func (u *upload) forget() {
	ready := u.ready[:0]
	if cap(ready) > 4*smallBody {
		ready = nil
	}
	*u = upload{from: u.from, to: u.to, contain: u.contain, ready: ready, done: u.done}
}
