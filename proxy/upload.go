package proxy

import (
	"errors"
	"fmt"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

const (
	// smallBody is the largest body that is read before a connection to a backend is taken, and how
	// much of a chunked one is. It then goes out together with the head.
	smallBody = 8 << 10
	// skippedBody is how much of a body that nobody wants is read so that the connection can be
	// kept.
	skippedBody = 64 << 10
)

// upload is a request's body on its way to the backend. What has come with the head goes out with
// the head; the rest follows while the answer is awaited and relayed, in a goroutine that ends
// before the exchange does.
type upload struct {
	body http1.Body
	size int64
	// ready is the first part of the body, framed.
	ready []byte
	// read is how much came from the client.
	read int64
	// started says that the goroutine was started, and running that it wasn't awaited yet; it says
	// so in done.
	started, running bool
	done             chan struct{}
	// all says that the whole body was sent.
	all bool
	// failure is the client's, if it didn't send the body as it should have, and cause is for the
	// log.
	failure *failure
	cause   error
}

var errTooLarge = errors.New("the body is larger than the limit")

func (u *upload) init() {
	u.done = make(chan struct{}, 1)
	u.reset()
}

func (u *upload) begin(size int64) {
	u.size = size
	u.body.Begin(size)
}

// complete says that nothing of the body is left to be sent.
func (u *upload) complete() bool { return u.body.Complete() && (!u.started || u.all) }

// prepareBody takes what has come of the body, and waits for more where no connection to a backend
// shall wait for it. A client that expects a 100 isn't waited for: it waits itself.
func (r *request) prepareBody() outcome {
	u := &r.upload
	err := r.takeArrived()
	switch {
	case err != nil:
	case !r.header.Expect:
		err = r.awaitBody()
	case u.read > 0:
		r.session.Owe()
	}
	if err != nil {
		return r.uploadFailed(err)
	}
	if u.body.Complete() && u.size == http1.SizeChunked {
		u.ready = http1.AppendTrailers(u.ready, u.body.Trailers, r.head.PassesTrailer)
	}
	return outcome{}
}

// awaitBody waits for all of a small body, or for as much of a chunked one, for BodyWait at most.
func (r *request) awaitBody() error {
	u, wait := &r.upload, r.proxy.settings.BodyWait
	switch {
	case u.size > smallBody, u.size == http1.SizeChunked && wait == 0:
		return nil
	case u.size == http1.SizeChunked:
		return r.awaitChunks(r.session.Soon(wait))
	}
	for !u.body.Complete() {
		if err := r.in.fill(r.session); err != nil {
			return err
		}
		if err := r.takeArrived(); err != nil {
			return err
		}
	}
	return nil
}

// awaitChunks waits for the first part of a chunked body, until a moment at the latest.
func (r *request) awaitChunks(moment int64) error {
	for u := &r.upload; !u.body.Complete() && u.read < smallBody; {
		err := r.in.fillBy(r.session.Client, moment)
		if err == netconn.ErrNotYet {
			return nil
		}
		if err == nil {
			err = r.takeArrived()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeArrived makes what has come of the body ready.
func (r *request) takeArrived() error {
	u := &r.upload
	data, err := r.in.decode(&u.body)
	u.read += int64(len(data))
	if err == nil && r.proxy.tooLarge(u.read) {
		err = errTooLarge
	}
	if u.size == http1.SizeChunked && len(data) > 0 {
		u.ready = http1.AppendChunk(u.ready, data)
	} else {
		u.ready = append(u.ready, data...)
	}
	return err
}

// start begins to send the rest of the body.
func (u *upload) start(r *request) {
	u.started, u.running = true, true
	go r.uploadRest()
}

// settled says, without waiting, that the whole body was sent.
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
func (u *upload) stop(r *request) {
	if u.settled(); !u.running {
		return
	}
	u.running = false
	r.session.Interrupt()
	r.exchange.conn.Interrupt()
	<-u.done
	r.session.Resume()
	r.exchange.conn.Resume()
}

// uploadRest sends the body from where it is to its end. Who awaits the answer is told when the
// client breaks it off; a backend that takes no more may have answered, and has the time for it
// that any has.
func (r *request) uploadRest() {
	u, conn := &r.upload, r.exchange.conn
	defer func() {
		if v := recover(); v != nil {
			r.proxy.logPanic(v)
			u.failure, u.cause = panicked, fmt.Errorf("panic: %v", v)
		}
		if u.failure != nil {
			conn.Interrupt()
		}
		u.done <- struct{}{}
	}()
	if err := r.sendBody(conn); err != nil {
		out := r.uploadFailed(err)
		u.failure, u.cause = out.failure, out.cause
	}
}

// sendBody sends the body from where it is to its end. The error is the client's.
func (r *request) sendBody(conn *netconn.Backend) error {
	u := &r.upload
	buf := r.proxy.buffers.Get()
	defer r.proxy.buffers.Put(buf)
	for !u.body.Complete() {
		data, err := r.nextBody(buf[:])
		if err == netconn.ErrInterrupted {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(data); err != nil {
			conn.RequestSent() // as far as it ever will be
			return nil
		}
	}
	u.all = true
	conn.RequestSent()
	return nil
}

// nextBody waits for a piece of the body, and returns it ready to be sent.
func (r *request) nextBody(buf []byte) ([]byte, error) {
	u := &r.upload
	room := buf[http1.ChunkHead : len(buf)-http1.ChunkTail-len(http1.LastChunk)]
	if u.size >= 0 {
		room = room[:min(int64(len(room)), u.size-u.read)]
	} else {
		// What comes behind the body is the next request, and must fit into the inbox.
		room = room[:min(len(room), r.in.spare())]
	}
	n, err := r.session.Read(room)
	if err != nil {
		return nil, noEOF(err)
	}
	data, used, err := u.body.Decode(room[:n])
	if err != nil {
		return nil, err
	}
	r.in.put(room[used:n])
	u.read += int64(data)
	if r.proxy.tooLarge(u.read) {
		return nil, errTooLarge
	}
	if u.size >= 0 {
		return room[:data], nil
	}
	from, to := http1.FrameChunk(buf, http1.ChunkHead, data)
	if u.body.Complete() {
		return http1.AppendTrailers(buf[from:to], u.body.Trailers, r.head.PassesTrailer), nil
	}
	return buf[from:to], nil
}

// uploadFailed is the outcome when the client didn't send its body as it should have.
func (r *request) uploadFailed(err error) outcome {
	switch err {
	case netconn.ErrTimeout:
		return outcome{failure: bodyLate, cause: err}
	case netconn.ErrTooSlow:
		return outcome{failure: clientSlow, cause: err}
	case errTooLarge:
		why := bodyTooLarge.refusal(nil, len(r.raw)+int(r.upload.read))
		why.Detail = err.Error()
		return outcome{failure: bodyTooLarge, cause: why}
	}
	if _, malformed := err.(*http1.Refusal); malformed {
		return outcome{failure: badBody, cause: inBody(err, len(r.raw))}
	}
	return outcome{failure: clientGone, cause: err}
}

// tooLarge reports whether a body of size, as far as it is known, is larger than the limit.
func (p *Proxy) tooLarge(size int64) bool {
	limit := p.settings.MaxBodyBytes
	return limit > 0 && size > limit
}

// canSkipBody reports whether the rest of a body that nobody wants is so short that reading it is
// cheaper than another connection.
func (r *request) canSkipBody() bool {
	u := &r.upload
	return u.body.Complete() || !u.started && !r.header.Expect && u.size-u.read <= skippedBody
}

// skipBody reads the rest of a body that nobody wants. It says no if that is too much of it, or
// none.
func (r *request) skipBody() bool {
	u := &r.upload
	if u.body.Complete() {
		return true
	}
	for skipped := 0; skipped <= skippedBody && r.canSkipBody(); {
		data, err := r.in.decode(&u.body)
		skipped += len(data)
		if err == nil && u.body.Complete() {
			return true
		}
		if err != nil || r.in.fill(r.session) != nil {
			return false
		}
	}
	return false
}

func (u *upload) reset() {
	*u = upload{body: u.body, ready: u.ready[:0], done: u.done}
	u.body.Begin(http1.SizeChunked) // Incomplete, until a head has been read.
}
