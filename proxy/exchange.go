package proxy

import (
	"io"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// exchange is one request and its answer on a connection of a backend's.
type exchange struct {
	// attempt is the exchange's place at a backend; the zero one while there is none.
	attempt balancer.Attempt
	// conn is the connection, and held what gives it back; nil while there is none.
	held any
	conn *netconn.Backend
	// out is the request's head, and its body as far as it has come.
	out []byte
	in  responseReader

	answer http1.Answer
	// head is the answer's head as it came.
	head []byte
	// doubtful says that an interim head was one after which the connection can't be used again.
	doubtful bool
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

// begin begins an exchange in a place that was taken at a backend.
func (x *exchange) begin(a balancer.Attempt) { x.attempt = a }

// open takes a connection for a client.
func (x *exchange) open(client *netconn.Client) error {
	conn, held, err := connectionsTo(x.attempt.Backend).acquire(x.attempt.Fresh)
	if err != nil {
		return err
	}
	conn.Begin(client)
	x.conn, x.held = conn, held
	x.in.reset()
	x.doubtful = false
	return nil
}

// ask sends what is in out, and reads the first bytes of the answer.
func (x *exchange) ask() error {
	n, err := x.conn.Ask(x.out, x.in.room())
	x.in.came(n)
	return err
}

// readHead reads the head of a response, interim or not. A part of it may have been read already.
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

// close ends the exchange, if there is one, and gives its place back.
func (x *exchange) close(how ending) {
	if x.attempt.Backend == nil {
		return
	}
	if seconds := x.answer.KeptSeconds; how == kept && seconds >= 0 {
		x.conn.KeptFor(time.Duration(seconds) * time.Second)
	}
	x.release(how == kept)
	x.attempt.End(balancer.Result{Failed: how == broke})
	x.attempt = balancer.Attempt{}
}

// release gives the connection back, if there is one.
func (x *exchange) release(keep bool) {
	if x.conn == nil {
		return
	}
	x.conn.End()
	connectionsTo(x.attempt.Backend).release(x.conn, x.held, keep)
	x.conn, x.held = nil, nil
}
