package proxy

import (
	"bufio"
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
)

// answerHeaderSize bounds an answer's header.
const answerHeaderSize = 16 << 10

// exchange is one request and its answer on a connection of a backend's HostClient. It uses the
// HostClient's connections only: what goes over them is ours, byte for byte.
type exchange struct {
	backend *balancer.Backend
	// held is what AcquireConn returned, for ReleaseConn or CloseConn; fasthttp doesn't export its type.
	held any
	conn *netconn.Backend
	br   *bufio.Reader
	// out is the request's head, and its body if that is small.
	out []byte
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

// endingIf is kept if keep, else dropped.
func endingIf(keep bool) ending {
	if keep {
		return kept
	}
	return dropped
}

func (x *exchange) init() {
	x.br = bufio.NewReaderSize(nil, answerHeaderSize)
	x.out = make([]byte, 0, 2<<10)
}

// open takes a connection: any that is fit for use, or if fresh one that was never used.
func (x *exchange) open(b *balancer.Backend, fresh bool) error {
	b.Begin()
	for {
		held, err := b.Client().AcquireConn(0, false)
		if err != nil {
			b.End(err != fasthttp.ErrNoFreeConns)
			return err
		}
		conn := held.Conn().(*netconn.Backend)
		if fresh {
			err = conn.Renew()
		}
		if err == nil && conn.Begin() {
			x.backend, x.held, x.conn = b, held, conn
			x.br.Reset(conn)
			return nil
		}
		b.Client().CloseConn(held)
		if err != nil {
			b.End(true)
			return err
		}
	}
}

// maxInterim is how many answers that aren't final may come before the one that is.
const maxInterim = 16

var errInterim = errors.New("too many interim answers")

// readHeader reads the answer's header, and passes over interim ones. After that its body comes.
func (x *exchange) readHeader(h *fasthttp.ResponseHeader) error {
	x.conn.AwaitAnswer()
	for range maxInterim {
		head, err := peekHead(x.br)
		if err == nil {
			err = checkAnswer(head)
		}
		if err != nil {
			return err
		}
		if h.Read(x.br) != nil {
			return errAnswerHeader // What it says may quote the header, secrets and all.
		}
		if h.StatusCode() >= fasthttp.StatusOK {
			x.conn.Relay()
			return nil
		}
	}
	return errInterim
}

// peekHead waits for the head of an answer; it aliases br's buffer.
func peekHead(br *bufio.Reader) ([]byte, error) {
	for want := 1; ; want = br.Buffered() + 1 {
		_, err := br.Peek(want)
		arrived, _ := br.Peek(br.Buffered())
		if end := bytes.Index(arrived, []byte("\r\n\r\n")); end >= 0 {
			return arrived[:end+len("\r\n\r\n")], nil
		}
		if err != nil {
			return nil, noEOF(err)
		}
	}
}

// close ends the exchange, if there is one. A connection on which more came than the
// answer is never kept: the next client would take it for its own answer.
func (x *exchange) close(how ending) {
	if x.backend == nil {
		return
	}
	client := x.backend.Client()
	if how == kept && x.br.Buffered() == 0 {
		give(client.ReleaseConn, x.held)
	} else {
		give(client.CloseConn, x.held)
	}
	x.backend.End(how == broke)
	x.backend, x.held, x.conn = nil, nil, nil
	x.br.Reset(nil)
}

// give calls to, a HostClient's ReleaseConn or CloseConn, with a connection whose type has no name here.
func give[Conn any](to func(Conn), held any) { to(held.(Conn)) }
