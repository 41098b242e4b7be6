package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// userAgent identifies these requests in the target's log.
const userAgent = "gopher-equalizer bench"

// client sends GET requests to one URL over HTTP/1.1 with keep-alive.
//
// It uses net/http's transport and not fasthttp's client, which the proxy has already: two sides of
// one library would agree on its mistakes. net/http also ends a request when its context ends, and
// leaves large bodies on the wire until they are read.
type client struct {
	transport *http.Transport
	request   *http.Request
}

// newClient wants a URL that Settings.Validate accepted.
func newClient(url string, header http.Header) (*client, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header = header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", userAgent)
	}
	request.Host = request.Header.Get("Host") // empty: the URL's
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &client{request: request, transport: &http.Transport{
		Proxy:               nil, // HTTP_PROXY would be measured, too
		DialContext:         (&net.Dialer{}).DialContext,
		Protocols:           &http1,
		DisableCompression:  true,
		MaxIdleConnsPerHost: maxInFlight,
	}}, nil
}

// send is a sender. A redirect is a response like any other.
func (c *client) send(ctx context.Context) outcome {
	response, err := c.transport.RoundTrip(c.request.WithContext(ctx))
	if err != nil {
		return outcome{err: err}
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return outcome{status: response.StatusCode, err: err}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// why describes an error in words that are the same for the same cause, without the ports, which
// differ from one connection to the next.
func why(err error, timeout time.Duration) string {
	var timedOut net.Error
	var op *net.OpError
	var sys *os.SyscallError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timedOut) && timedOut.Timeout():
		return "no response within " + timeout.String()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the response ended"
	case errors.As(err, &sys):
		return sys.Err.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
