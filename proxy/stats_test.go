package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/outcome"
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
