package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// Interim responses and each 101 are counted when they are sent, beside the responses that end
// requests.
func TestInformationalResponsesAreCounted(t *testing.T) {
	b, _ := answering(t, "HTTP/1.1 100 Continue\r\n\r\n"+hints+ok)
	p := proxyTo(t, b.addr)
	assert.Equal(t, 200, p.dial().do(plainGet).StatusCode)
	assert.Equal(t, outcome.Responses{Informational: 2, Successful: 1}, p.Stats().Responses)
	assert.Equal(t, 200, p.dial().do("GET / HTTP/1.0\r\n\r\n").StatusCode)
	assert.Equal(t, outcome.Responses{Informational: 2, Successful: 2}, p.Stats().Responses, "HTTP/1.0 got none")

	b, _ = switching(t, echo)
	p = proxyTo(t, b.addr)
	c := p.upgraded()
	c.echoes("hello")
	st := p.Stats()
	assert.Equal(t, outcome.Responses{Informational: 1}, st.Responses)
	assert.EqualValues(t, 1, st.InFlight, "a tunnel is a request that runs")
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
	assert.Equal(t, outcome.Responses{Informational: 1}, p.Stats().Responses)
}

// slowStream is one of a client that sends its body too slowly. It waits before a response.
type slowStream struct {
	*h1.Turn
	before, respond chan struct{}
}

func (slowStream) AwaitBody() error { return netconn.ErrTooSlow }

func (s slowStream) Reply(own *rewrite.Reply) error {
	s.before <- struct{}{}
	<-s.respond
	return s.Turn.Reply(own)
}

// Whoever has the response to a request that failed finds it counted.
func TestFailuresAreCountedFirst(t *testing.T) {
	b, _ := answering(t, ok)
	before, respond := make(chan struct{}), make(chan struct{})
	p := streamsTo(t, b.addr, func(turn *h1.Turn) Stream { return slowStream{turn, before, respond} })
	c := p.dial()
	require.True(t, c.send(sized(4)))
	<-before
	st := p.Stats()
	close(respond)
	assert.EqualValues(t, 1, st.TooSlow)
	assert.EqualValues(t, 1, st.Responses.ClientError)
	assert.Zero(t, st.InFlight)
	p.isProblem(c.readAnswer("POST"), 408, "slowly")
}
