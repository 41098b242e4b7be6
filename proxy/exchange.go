package proxy

import (
	"io"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// exchange is one request and its answer on a connection of a backend's HostClient. It uses the
// HostClient's connections only: what goes over them is ours, byte for byte.
type exchange struct {
	backend *balancer.Backend
	// held is what AcquireConn returned, for ReleaseConn or CloseConn; fasthttp doesn't export its type.
	held any
	conn *netconn.Backend
	// out is the request's head, and its body as far as it has come.
	out []byte
	in  responseReader

	answer http1.Answer
	// head is the answer's head as it came.
	head []byte
}

// ending is how an exchange ends.
type ending int

const (
	// kept: both messages were complete, and neither side wants to close.
	kept ending = iota
	// dropped: it can't be used again, and the backend is not to blame.
	dropped
	// broke: the backend failed.
	broke
)

func (x *exchange) init(maxHeader int, l *lender) {
	x.in = newResponseReader(maxHeader, l)
	x.out = make([]byte, 0, 2<<10)
}

// open takes a connection for a client: any, or if fresh one that was never used.
func (x *exchange) open(b *balancer.Backend, fresh bool, client *netconn.Client) error {
	b.Begin()
	held, err := b.Client().AcquireConn(0, false)
	if err != nil {
		b.End(err != fasthttp.ErrNoFreeConns)
		return err
	}
	conn := held.Conn().(*netconn.Backend)
	if fresh {
		if err := conn.Renew(); err != nil {
			b.Client().CloseConn(held)
			b.End(true)
			return err
		}
	}
	conn.Begin(client)
	x.backend, x.held, x.conn = b, held, conn
	x.in.reset()
	return nil
}

// ask sends what is in out, and reads the first bytes of the answer.
func (x *exchange) ask() error {
	n, err := x.conn.Ask(x.out, x.in.room())
	x.in.came(n)
	return err
}

// readHead reads the head of an answer, interim or not, of which a part may be there.
func (x *exchange) readHead() (err error) {
	x.head, err = x.in.readHead(x.conn, &x.answer)
	return err
}

// noEOF makes an end that came too early the error that it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// close ends the exchange, if there is one.
func (x *exchange) close(how ending) {
	if x.backend == nil {
		return
	}
	x.conn.End()
	client := x.backend.Client()
	if how == kept {
		give(client.ReleaseConn, x.held)
	} else {
		give(client.CloseConn, x.held)
	}
	x.backend.End(how == broke)
	x.backend, x.held, x.conn = nil, nil, nil
}

// give calls to, a HostClient's ReleaseConn or CloseConn, with a connection whose type has no name here.
func give[Conn any](to func(Conn), held any) { to(held.(Conn)) }
