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

// behind is the request that comes behind those of a case.
const behind = "GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n"

// End is how a client's connection stood in the end.
type End string

// The ends.
const (
	Open  End = "open"
	Ended End = "close"
	Waits End = "waits" // the proxy said no more, and did not close
)

// Heard is what a client got.
type Heard struct {
	// Answers are those that could be read, as far as they could; Err is why the last one could not
	// to its end.
	Answers []*strict.Answer
	Err     error
	End     End
}

// Client sends cases to a proxy.
type Client struct {
	// Addr is the proxy's.
	Addr string
	// Patience is how long a proxy may say nothing before it counts as one that waits.
	Patience time.Duration
	// Pieces has it send each byte by itself.
	Pieces bool
}

// Send sends a request case and, behind it in one stream, one more request; and listens.
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

// Ask sends a request, and once it has the answer, behind() is called and one more request is sent
// on the same connection if it is still there: it is open if the second answer is the second
// request's.
func (c Client) Ask(line string, then func()) (Heard, error) {
	link, err := c.dial()
	if err != nil {
		return Heard{}, err
	}
	defer link.close()
	link.send(line+"\r\nHost: a\r\n\r\n", false)
	method, _, _ := strings.Cut(line, " ")
	heard := link.answer(method)
	then()
	if heard.End == Open {
		link.send(behind, false)
		next := link.answer("GET")
		heard.End = next.End
		if next.End == Open && !isEcho(next, "/behind") || next.End == Ended && len(next.Answers) > 0 {
			heard.End = poisoned
		}
	}
	return heard, nil
}

// poisoned is the end of a connection on which the next request got an answer that isn't its own.
const poisoned End = "another's answer"

// Clean sends one request on a connection of its own, and fails if it isn't answered with what was
// asked.
func (c Client) Clean(target string) error {
	c.Pieces = false
	link, err := c.dial()
	if err != nil {
		return err
	}
	defer link.close()
	link.send("GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n", false)
	if heard := link.answer("GET"); heard.End != Open || !isEcho(heard, target) {
		return errors.New("the next client got " + heard.String())
	}
	return nil
}

// isEcho reports whether the last answer is to a GET of target.
func isEcho(h Heard, target string) bool {
	n := len(h.Answers)
	return n > 0 && string(h.Answers[n-1].Data) == echoed("GET", target, 0)
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

// send sends text. That it could not all be sent shows by what comes back.
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

// listen reads all answers, up to the one to the request behind, the connection's end, or silence.
func (l *link) listen(method string) (all Heard) {
	for {
		h := l.answer(method)
		method = "GET"
		all.Answers = append(all.Answers, h.Answers...)
		all.Err, all.End = h.Err, h.End
		if h.End != Open || isEcho(h, "/behind") {
			return all
		}
	}
}

// answer reads one answer, with the interim ones before it.
func (l *link) answer(method string) (h Heard) {
	for {
		_ = l.conn.SetReadDeadline(time.Now().Add(l.client.Patience))
		a, err := strict.ReadAnswer(l.br, method)
		if a != nil {
			h.Answers = append(h.Answers, a)
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
