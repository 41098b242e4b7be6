//go:build linux

package play

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/strict"
)

// behind is the request that is sent behind those of a case.
const behind = "GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n"

// End is the final state of a client's connection.
type End string

// The ends.
const (
	Open  End = "open"
	Ended End = "close"
	Waits End = "waits" // the proxy sent nothing more, and did not close
)

// Heard is what a client got.
type Heard struct {
	// Responses are those that could be read, also in part. Err is why the last one has no end.
	Responses []*strict.Response
	Err       error
	End       End
}

// Client sends cases to a proxy.
type Client struct {
	// Addr is the proxy's.
	Addr string
	// Patience is how long a proxy may send nothing before it counts as waiting.
	Patience time.Duration
	// Pieces makes it send each byte by itself.
	Pieces bool
}

// Send sends a request case and one more request behind it in the same stream, and listens.
func (c Client) Send(k corpus.Case) (Heard, error) {
	text := k.Text
	if !k.Close && !k.Alone {
		text += behind
	}
	link, err := c.dial()
	if err != nil {
		return Heard{}, err
	}
	defer link.close()
	go link.send(text, k.Close)
	method, _, _ := strings.Cut(strings.TrimLeft(k.Text, "\r\n"), " ")
	return link.listen(method), nil
}

// Ask sends a request. Once it has the response, it calls then, and sends one more request on the
// same connection if that is still there. The connection counts as open if the second response is
// the second request's.
func (c Client) Ask(line string, then func()) (Heard, error) {
	link, err := c.dial()
	if err != nil {
		return Heard{}, err
	}
	defer link.close()
	link.send(line+"\r\nHost: a\r\n\r\n", false)
	method, _, _ := strings.Cut(line, " ")
	heard := link.response(method)
	then()
	if heard.End == Open {
		link.send(behind, false)
		next := link.response("GET")
		heard.End = next.End
		if next.End == Open && !isEcho(next, "/behind") || next.End == Ended && len(next.Responses) > 0 {
			heard.End = poisoned
		}
	}
	return heard, nil
}

// poisoned is the end of a connection whose next request got a response that isn't its own.
const poisoned End = "another's response"

// Clean sends one request on a connection of its own, and fails unless it gets its echo.
func (c Client) Clean(target string) error {
	c.Pieces = false
	link, err := c.dial()
	if err != nil {
		return err
	}
	defer link.close()
	link.send("GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n", false)
	if heard := link.response("GET"); heard.End != Open || !isEcho(heard, target) {
		return errors.New("the next client got " + heard.String())
	}
	return nil
}

// isEcho reports whether the last response is to a GET of target.
func isEcho(h Heard, target string) bool {
	n := len(h.Responses)
	return n > 0 && string(h.Responses[n-1].Data) == echoed("GET", target, 0)
}

// link is a client's connection.
type link struct {
	conn   *net.TCPConn
	br     *bufio.Reader
	client Client
}

func (c Client) dial() (*link, error) {
	conn, err := net.DialTimeout("tcp", c.Addr, c.Patience)
	if err != nil {
		return nil, err
	}
	return &link{conn.(*net.TCPConn), bufio.NewReader(conn), c}, nil
}

func (l *link) close() { _ = l.conn.Close() }

// send sends text. If that fails, the responses show it.
func (l *link) send(text string, end bool) {
	size := len(text)
	if l.client.Pieces {
		size = 1 + len(text)/2000
	}
	for len(text) > 0 {
		n := min(size, len(text))
		if _, err := io.WriteString(l.conn, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
	if end {
		_ = l.conn.CloseWrite()
	}
}

// listen reads all responses, up to the one to the last request, the connection's end, or silence.
func (l *link) listen(method string) (all Heard) {
	for {
		h := l.response(method)
		method = "GET"
		all.Responses = append(all.Responses, h.Responses...)
		all.Err, all.End = h.Err, h.End
		if h.End != Open || isEcho(h, "/behind") {
			return all
		}
	}
}

// response reads one response, with the interim ones before it.
func (l *link) response(method string) (h Heard) {
	for {
		_ = l.conn.SetReadDeadline(time.Now().Add(l.client.Patience))
		a, err := strict.ReadResponse(l.br, method)
		if a != nil {
			h.Responses = append(h.Responses, a)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			h.End = Waits
			return h
		case errors.As(err, &strict.Malformed{}):
			h.End, h.Err = Ended, err
			return h
		case err != nil: // an end or a reset
			h.End = Ended
			if a != nil || err == strict.ErrCut {
				h.Err = strict.ErrCut
			}
			return h
		case a.UntilClose:
			h.End = Ended
			return h
		case !a.Interim():
			h.End = Open
			return h
		}
	}
}
