package balancer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// maxProbeHeader is the largest header of an answer that a probe reads, in bytes: a backend
	// isn't down for sending large cookies.
	maxProbeHeader = 64 << 10
	// maxProbeBody is how much of an answer's body is read, in bytes.
	maxProbeBody = 64 << 10
)

// httpProbe sends one GET on a connection of its own, and judges the answer's status. A
// redirect is an answer like any other.
//
// It is a plain connection and fasthttp's reader, not net/http: that starts two goroutines for each
// probe, reads HTTP_PROXY unless told not to, and would call answers alive that the data
// path, which has fasthttp's reader too, can't read.
type httpProbe struct {
	dialer
	request []byte
	alive   []StatusRange
	want    string // what alive holds, for messages
}

func newHTTPProbe(h HealthSettings, d dialer) httpProbe {
	host := h.Host
	if host == "" {
		host = d.Authorities()[0]
	}
	request := "GET " + h.Path + " HTTP/1.1\r\n" +
		"Host: " + host + "\r\n" +
		"User-Agent: gopher-equalizer health check\r\n" +
		"Connection: close\r\n\r\n"
	if len(h.Statuses) == 0 {
		return httpProbe{d, []byte(request), []StatusRange{{First: 100, Last: 499}}, "below 500"}
	}
	words := make([]string, len(h.Statuses))
	for i, r := range h.Statuses {
		words[i] = r.String()
	}
	return httpProbe{d, []byte(request), h.Statuses, strings.Join(words, ", ")}
}

// probe connects, asks, and judges the answer.
func (p httpProbe) probe(ctx context.Context) (string, error) {
	started := time.Now()
	conn, err := p.dial(ctx)
	if err != nil {
		return "", err
	}
	// There is nothing that a failed close could say of the backend.
	defer func() { _ = conn.Close() }()
	defer cutWith(ctx, conn)()

	r := bufio.NewReaderSize(conn, maxProbeHeader)
	answer := &fasthttp.Response{SkipBody: true}
	if err := p.ask(conn, r, answer); err != nil {
		return "", p.explain(err, r)
	}
	found := fmt.Sprintf("%d in %s", answer.StatusCode(), since(started))
	drain(answer, r)
	if !slices.ContainsFunc(p.alive, func(s StatusRange) bool { return s.Contains(answer.StatusCode()) }) {
		return "", fmt.Errorf("%s; want %s", found, p.want)
	}
	return found, nil
}

// cutWith ends all I/O on the connection when ctx ends, for time or for the stop. The caller must
// call the function that it gets, which waits until the connection is left alone.
func cutWith(ctx context.Context, conn net.Conn) (release func()) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		// Any past time will do. It fails on a broken connection only, where there is nothing to cut.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-cut
		}
	}
}

// ask sends the request, and reads the answer's header into answer. fasthttp would take whatever goes wrong before the first
// byte for the connection's end, and not tell what a TLS alert says.
func (p httpProbe) ask(w io.Writer, r *bufio.Reader, answer *fasthttp.Response) error {
	if _, err := w.Write(p.request); err != nil {
		return err
	}
	if _, err := r.Peek(1); err != nil {
		return err
	}
	return answer.Read(r)
}

// drain reads the answer's body, up to maxProbeBody and the probe's timeout: to close on unread bytes would
// reset the connection under a backend that is still writing, an error in its log for every
// probe. The header has said all that counts, so a body that breaks or ends late is no failure.
func drain(answer *fasthttp.Response, r *bufio.Reader) {
	switch status := answer.StatusCode(); {
	case status < 200, status == fasthttp.StatusNoContent, status == fasthttp.StatusNotModified:
		return // no body by definition, where fasthttp would wait for the end of the connection
	}
	_ = answer.ReadBody(r, maxProbeBody)
}

// explain says in words for operators why there is no answer; r is what came instead.
func (p httpProbe) explain(err error, r *bufio.Reader) error {
	var op *net.OpError
	var large *fasthttp.ErrSmallBuffer
	switch {
	case timedOut(err):
		return fmt.Errorf("no answer within %v", p.timeout)
	case errors.Is(err, io.EOF):
		return errors.New("the connection was closed before the answer's header ended")
	case errors.As(err, &op):
		return cause(op)
	case errors.As(err, &large):
		return fmt.Errorf("the answer's header is over %d bytes", maxProbeHeader)
	}
	start, _ := r.Peek(min(r.Buffered(), 32)) // never an error: these bytes are there
	return fmt.Errorf("not an HTTP answer: it starts with %q", start)
}
