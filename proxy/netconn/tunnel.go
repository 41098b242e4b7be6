package netconn

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// endTime is how long a tunnel may be silent when one side has ended.
const endTime = 5 * time.Second

// Tunnel copies bytes both ways between a client and a backend. It ends when both sides have ended;
// when one has ended and the other has sent nothing for endTime; when neither has sent anything for
// limit, 0 being for ever; or when a connection breaks. It returns how many bytes went down to the
// client, and an error unless both sides ended by themselves. The caller closes both. A side that
// is silent holds no buffer.
func Tunnel(client, backend *Conn, limit time.Duration, buffers *Buffers) (down int64, err error) {
	t := &tunnel{clock: client.now, limit: limit, buffers: buffers}
	t.touch()
	up, back := newFlow(t, client, backend), newFlow(t, backend, client)
	var running sync.WaitGroup
	running.Go(func() { up.run(back) })
	back.run(up)
	running.Wait()
	return back.bytes, errors.Join(up.err, back.err)
}

// tunnel is what the two directions share.
type tunnel struct {
	clock   func() int64
	limit   time.Duration
	buffers *Buffers
	// active is when the last bytes came, by the clock.
	active atomic.Int64
	// ending reports whether one direction has ended.
	ending atomic.Bool
}

func (t *tunnel) touch() { t.active.Store(t.clock()) }

// left is how much longer the tunnel may be silent; ok is false if that is for ever.
func (t *tunnel) left() (left time.Duration, ok bool) {
	limit := t.limit
	if t.ending.Load() && (limit == 0 || limit > endTime) {
		limit = endTime
	}
	return limit - time.Duration(t.clock()-t.active.Load()), limit > 0
}

// flow is one direction of a tunnel. It is the reader of the connection that it copies from.
type flow struct {
	*tunnel
	from, to *Conn
	buf      *[BufferSize]byte
	bytes    int64
	err      error
}

// newFlow makes a direction of a tunnel. What bounded the exchange before it, such as a least rate,
// does not bound the tunnel.
func newFlow(t *tunnel, from, to *Conn) *flow {
	f := &flow{tunnel: t, from: from, to: to}
	from.reader = f
	to.writing.pace, to.end = nil, 0
	return f
}

// Lend lends a buffer when bytes may have come.
func (f *flow) Lend() []byte {
	if f.buf == nil {
		f.buf = f.buffers.Get()
	}
	return f.buf[:]
}

// GiveBack takes the buffer back when none have.
func (f *flow) GiveBack() {
	if f.buf != nil {
		f.buffers.Put(f.buf)
		f.buf = nil
	}
}

// run copies until its end, and then lets the other direction come to its own.
func (f *flow) run(other *flow) {
	defer f.GiveBack()
	err := f.copy()
	f.touch()
	f.ending.Store(true)
	if err == io.EOF && f.to.CloseWrite() == nil {
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
		n, err := f.from.readLent(f)
		if n > 0 {
			m, werr := f.to.Write(f.buf[:n])
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

// due is when the tunnel as a whole has been silent for too long.
func (f *flow) due() (int64, error) {
	left, ok := f.left()
	switch {
	case !ok:
		return 0, nil
	case left <= 0:
		return 0, ErrTimeout
	}
	return f.from.in(left), nil
}

// over reads on after a timeout too, since bytes may have come the other way: due decides.
func (f *flow) over(n int, err error) (again bool, _ error) {
	if n > 0 {
		f.touch()
	}
	return err == errWoken || err == ErrTimeout, err
}
