package proxy

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// smallBody is the largest body that is read before a connection to a backend is taken, and how
// much of a chunked one is. It then goes out together with the head.
const smallBody = 8 << 10

// upload is a request's body on its way to the backend. What has come with the head goes out with
// the head; the rest follows while the response is awaited and relayed, in a goroutine that ends
// before the exchange does.
type upload struct {
	*shared
	from Stream
	to   *h1.Exchange
	// head is the request's.
	head *http1.Request
	// ready is the first part of the body.
	ready []byte
	// read is how much came from the client, most how much may come; 0 doesn't bound it.
	read, most int64
	// started reports that the goroutine was started, and running that it wasn't awaited yet; it
	// says so in done.
	started, running bool
	done             chan struct{}
	// all reports that the whole body was sent.
	all bool
	// failure is the client's, if it didn't send the body as it should have.
	failure error
}

func (u *upload) init(from Stream, to *h1.Exchange, s *shared) {
	u.shared, u.from, u.to = s, from, to
	u.done = make(chan struct{}, 1)
}

// begin begins the body of a request, which may have so many bytes; 0 doesn't bound it. It refuses
// one that is known to have more.
func (u *upload) begin(h *http1.Request, most int64) error {
	u.head, u.most = h, most
	if !u.exceeds(h.Size) {
		return nil
	}
	why := h.RefuseLength(fasthttp.StatusRequestEntityTooLarge, outcome.BodyTooLarge.Reason)
	why.Detail = "the request's body is too large"
	return why
}

// exceeds reports whether a body of size, as far as it is known, is larger than it may be.
func (u *upload) exceeds(size int64) bool { return u.most > 0 && size > u.most }

// complete reports whether nothing of the body is left to be sent.
func (u *upload) complete() bool { return u.from.Complete() && (!u.started || u.all) }

// prepare takes what has come of the body, and waits for more where no connection to a backend
// shall wait for it. A client that expects a 100 isn't waited for: it waits itself.
func (u *upload) prepare(bodyWait time.Duration) error {
	err := u.takeArrived()
	if err == nil && !u.head.Expect {
		err = u.await(bodyWait)
	}
	return u.explain(err)
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
		err := u.from.AwaitBodyUntil(moment)
		if err == netconn.ErrNotYet {
			return nil
		}
		if err == nil {
			err = u.takeArrived()
		}
		if err != nil {
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
		err = errTooLarge
	}
	u.ready = append(u.ready, data...)
	return err
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
	defer u.record.Contain(&u.failure)
	u.failure = u.explain(u.send())
}

// send sends the body from where it is to its end. The error is the client's.
func (u *upload) send() error {
	buf := u.buffers.Get()
	defer u.buffers.Put(buf)
	for !u.from.Complete() {
		n, err := u.from.ReadBody(h1.Room(buf))
		if err == netconn.ErrInterrupted {
			return nil
		}
		if u.read += int64(n); err == nil && u.exceeds(u.read) {
			err = errTooLarge
		}
		if err != nil {
			return err
		}
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

var errTooLarge = errors.New("the body is larger than the limit")

// explain is the failure of a client that didn't send its body as it should have.
func (u *upload) explain(err error) error {
	switch err {
	case nil:
		return nil
	case netconn.ErrTimeout:
		return outcome.BodyLate.Because(err)
	case netconn.ErrTooSlow:
		return outcome.ClientSlow.Because(err)
	case errTooLarge:
		f := outcome.BodyTooLarge
		return f.Because(http1.Refuse(f.Status, f.Reason, err.Error(), nil, u.from.Offset()))
	}
	if why, malformed := err.(*http1.Refusal); malformed {
		return outcome.BadBody.Because(why)
	}
	return outcome.ClientGone.Because(err)
}

func (u *upload) reset() {
	*u = upload{shared: u.shared, from: u.from, to: u.to, ready: u.ready[:0], done: u.done}
}
