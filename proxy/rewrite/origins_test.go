package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

func TestParseOrigins(t *testing.T) {
	for _, text := range []string{
		"https://app.example", "http://localhost:3000", "https://[2001:db8::1]:8443", "http://192.0.2.1", "capacitor://localhost", "https://xn--caf-dma.example",
	} {
		_, err := ParseOrigins([]string{text})
		assert.NoError(t, err, text)
	}
	for _, text := range []string{
		"", "app.example", "https://", "https://app.example/", "https://App.example", "https://app.example:443", "http://a:80", "https://a:", "null",
		"https://*.example", "https://a, https://b", "https://a\r\nX: y", "://a", "1a://b", "https://u@a", "https://a?", "h ttp://a",
	} {
		_, err := ParseOrigins([]string{"https://app.example", text})
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), "want one as browsers send it, such as https://app.example")
	}
	_, err := ParseOrigins([]string{"*", "https://app.example"})
	assert.ErrorContains(t, err, `want "*" alone, or none`)
}

// A reply's field holds an origin of the configuration only, and costs no memory.
func TestExpose(t *testing.T) {
	o, err := ParseOrigins([]string{"https://a.example", "https://b.example"})
	require.NoError(t, err)
	var reply Reply
	fields := []http1.Field{{Name: []byte("oRIGIN"), Value: []byte("https://b.example")}}
	expose := func() {
		reply.Begin(429, "text/plain", nil)
		o.Expose(&reply, fields)
	}
	assert.Zero(t, testing.AllocsPerRun(100, expose))
	assert.Contains(t, string(reply.AppendHead(nil)), "Vary: Origin\r\nAccess-Control-Allow-Origin: https://b.example\r\n"+
		"Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: "+exposed+"\r\n")
	fields[0].Value = []byte("https://c.example")
	expose()
	assert.NotContains(t, string(reply.AppendHead(nil)), "Access-Control")
	assert.Contains(t, string(reply.AppendHead(nil)), "Vary: Origin\r\n")
	none := Origins{}
	reply.Begin(429, "text/plain", nil)
	none.Expose(&reply, fields)
	assert.NotContains(t, string(reply.AppendHead(nil)), "Origin")
}
