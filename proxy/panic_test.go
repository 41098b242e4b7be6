package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/rewrite"
)

// brittleStream panics at one of the calls of its methods, the one at which left comes to 0.
type brittleStream struct {
	*h1.Turn
	left *atomic.Int64
}

func (s brittleStream) call() {
	if s.left.Add(-1) == 0 {
		panic("the stream broke")
	}
}

func (s brittleStream) ReadHead() (*http1.Request, error) { s.call(); return s.Turn.ReadHead() }
func (s brittleStream) TakeBody() ([]byte, error)         { s.call(); return s.Turn.TakeBody() }
func (s brittleStream) AwaitBody() error                  { s.call(); return s.Turn.AwaitBody() }
func (s brittleStream) ReadBody(p []byte) (int, error)    { s.call(); return s.Turn.ReadBody(p) }
func (s brittleStream) Complete() bool                    { s.call(); return s.Turn.Complete() }
func (s brittleStream) Trailers() []http1.Field           { s.call(); return s.Turn.Trailers() }
func (s brittleStream) Last()                             { s.call(); s.Turn.Last() }
func (s brittleStream) WriteBody(p h1.Piece) error        { s.call(); return s.Turn.WriteBody(p) }
func (s brittleStream) Reply(own *rewrite.Reply) error    { s.call(); return s.Turn.Reply(own) }
func (s brittleStream) Begun() bool                       { s.call(); return s.Turn.Begun() }
func (s brittleStream) Sent() int64                       { s.call(); return s.Turn.Sent() }
func (s brittleStream) Passed(n int64)                    { s.call(); s.Turn.Passed(n) }
func (s brittleStream) Cut()                              { s.call(); s.Turn.Cut() }
func (s brittleStream) Link() *h1.Link                    { s.call(); return s.Turn.Link() }
func (s brittleStream) Behind() []byte                    { s.call(); return s.Turn.Behind() }
func (s brittleStream) Lighten()                          { s.call(); s.Turn.Lighten() }
func (s brittleStream) Admitted()                         { s.call(); s.Turn.Admitted() }
func (s brittleStream) Lasts()                            { s.call(); s.Turn.Lasts() }
func (s brittleStream) WasCut() bool                      { s.call(); return s.Turn.WasCut() }
func (s brittleStream) Abort()                            { s.call(); s.Turn.Abort() }

func (s brittleStream) AwaitBodyUntil(moment int64) (bool, error) {
	s.call()
	return s.Turn.AwaitBodyUntil(moment)
}

func (s brittleStream) Inform(h *rewrite.Response) (bool, error) {
	s.call()
	return s.Turn.Inform(h)
}

func (s brittleStream) Respond(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) error {
	s.call()
	return s.Turn.Respond(h, first, last, trailers)
}

// Wherever a request panics, it ends once: its place and its connection are given back, it is
// counted, and the next client finds everything as it should be.
func TestPanicsAnywhere(t *testing.T) {
	large := strings.Repeat("x", 300_000)
	sizedResponse := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(large))
	// late is the part of the response that is written by itself.
	for name, k := range map[string]struct{ request, response, late string }{
		"get":         {plainGet, ok, ""},
		"interim":     {plainGet, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok, ""},
		"pieces":      {plainGet, "HTTP/1.1 200 OK\r\n\r\n", "body"},
		"large":       {plainGet, sizedResponse, large},
		"broken":      {plainGet, sizedResponse, "body"},
		"no response": {plainGet, "", ""},
		"upload":      {sized(30_000) + large[:30_000], ok, ""},
		"chunks":      {chunked + "4\r\nbody\r\n0\r\n\r\n", ok, ""},
		"tunnel":      {upgrade, switches, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, func(c *conn, _ int) {
				if c.readRequest() != "" && c.send(k.response) {
					c.send(k.late)
				}
			})
			var left atomic.Int64
			p := streamsTo(t, b.addr, func(turn *h1.Turn) Stream { return brittleStream{turn, &left} })
			for nth := int64(1); ; nth++ {
				left.Store(nth)
				c := p.dial()
				c.send(k.request)
				require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
				_, _ = io.Copy(io.Discard, c.br)
				require.NoError(t, c.Close())
				p.awaitIdle()
				if left.Load() > 0 {
					return
				}
				st := p.Stats()
				assert.Equal(t, nth, st.Panics)
				assert.Equal(t, nth, st.Total)
			}
		})
	}
}

// awaitIdle waits until nothing is left of any request.
func (p *proxied) awaitIdle() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		st := p.Stats()
		return st.InFlight == 0 && st.Connections == 0 && p.pool.balancers[0].Status()[0].InFlight == 0
	}, patience, time.Millisecond)
}
