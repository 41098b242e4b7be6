package netconn

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Tunnel copies bytes both ways between a client and a backend. It ends when both sides have ended;
// when one has, and the other has sent nothing more for lingerTime; when neither has sent anything
// for limit, 0 being for ever; or when a connection breaks. It returns how many bytes went down to
// the client, and the error if it wasn't ended by the two. The caller closes both. While a side is
// silent it holds no buffer.
func Tunnel(client *Client, backend *Backend, limit time.Duration, buffers *Buffers) (down int64, err error) {
	backend.End() // A client that has sent its last byte is still there.
	client.timed.pace = nil
	t := &tunnel{clock: &client.registry.now, limit: limit, buffers: buffers}
	t.touch()
	up := &flow{tunnel: t, from: &client.timed, to: &backend.timed, patience: backend.limits.Idle}
	back := &flow{tunnel: t, from: &backend.timed, to: &client.timed, patience: client.all.limits.Write}
	if s := backend.secure; s != nil {
		backend.totalDue = 0 // Its Write is used, and the time for an answer is over.
		up.encrypt, back.decrypt, s.carrier.flow = backend, s, back
	}
	var running sync.WaitGroup
	running.Go(func() { up.run(back) })
	back.run(up)
	running.Wait()
	return back.bytes, errors.Join(up.err, back.err)
}

// tunnel is what the two directions share.
type tunnel struct {
	clock   *atomic.Int64
	limit   time.Duration
	buffers *Buffers
	// active is when the last bytes came, by the clock.
	active atomic.Int64
	// ending says that one direction has ended.
	ending atomic.Bool
}

func (t *tunnel) touch() { t.active.Store(t.clock.Load()) }

// left is for how long the tunnel may still be silent; ok is false if that is for ever.
func (t *tunnel) left() (left time.Duration, ok bool) {
	limit := t.limit
	if t.ending.Load() && (limit == 0 || limit > lingerTime) {
		limit = lingerTime
	}
	return limit - time.Duration(t.clock.Load()-t.active.Load()), limit > 0
}

// flow is one direction of a tunnel.
type flow struct {
	*tunnel
	from, to *timed
	// decrypt is the TLS that comes from from, and encrypt is whom to is to write by TLS; nil where
	// there is none.
	decrypt *secure
	encrypt *Backend
	// patience is how long a write may take without progress.
	patience time.Duration
	buf      *[BufferSize]byte
	bytes    int64
	err      error
}

// Lend and GiveBack are Lender's.
func (f *flow) Lend() []byte {
	if f.buf == nil {
		f.buf = f.buffers.Get()
	}
	return f.buf[:]
}

// GiveBack is called while nothing comes.
func (f *flow) GiveBack() {
	if f.buf != nil {
		f.buffers.Put(f.buf)
		f.buf = nil
	}
}

// run copies until its end, and has the other direction come to its own.
func (f *flow) run(other *flow) {
	defer f.GiveBack()
	err := f.copy()
	f.touch()
	f.ending.Store(true)
	if err == io.EOF && f.closeWrite() == nil {
		other.from.wakeRead() // It has less time from now on.
		return
	}
	if err != io.EOF && err != ErrInterrupted {
		f.err = err
	}
	f.from.Interrupt()
	f.to.Interrupt()
}

func (f *flow) copy() error {
	for {
		n, err := f.read()
		if n > 0 {
			m, werr := f.write(f.buf[:n])
			f.bytes += int64(m)
			if werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

func (f *flow) write(p []byte) (int, error) {
	if f.encrypt != nil {
		return f.encrypt.Write(p)
	}
	return f.to.write(p, f.patience, 0)
}

func (f *flow) closeWrite() error {
	if f.encrypt != nil {
		return f.encrypt.secure.CloseWrite()
	}
	return f.to.CloseWrite()
}

// read waits for bytes until the tunnel as a whole has been silent for too long.
func (f *flow) read() (int, error) {
	if f.decrypt != nil {
		return f.decrypt.readLent(f)
	}
	return f.receive(nil)
}

// receive is read from the network, into p or, if that is nil, into what the flow lends.
func (f *flow) receive(p []byte) (n int, err error) {
	for {
		left, ok := f.left()
		var due int64
		switch {
		case ok && left <= 0:
			return 0, ErrTimeout
		case ok:
			due = f.from.in(left)
		}
		f.from.beginRead(due)
		if p != nil {
			n, err = f.from.link.Read(p)
		} else {
			n, err = f.from.link.readLent(f)
		}
		n, err = f.from.endRead(n, err, due)
		if n > 0 {
			f.touch()
		}
		if err != errWoken && err != ErrTimeout {
			return n, err
		}
	}
}
