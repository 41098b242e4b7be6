package http1

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestKeepAliveTimeout(t *testing.T) {
	f := func(value string, want int64) {
		t.Helper()
		var a Response
		head := "HTTP/1.1 200 OK\r\nkeep-alive: " + value + "\r\n\r\n"
		assert.Nil(t, a.Parse([]byte(head)))
		assert.Equal(t, want, a.KeptSeconds, value)
		assert.Nil(t, a.Parse([]byte("HTTP/1.1 200 OK\r\n\r\n")))
		assert.EqualValues(t, noKeepAlive, a.KeptSeconds, "nothing stays of the last one")
	}
	f("timeout=5", 5)
	f("timeout=5, max=100", 5)
	f("max=100,TIMEOUT=75", 75)
	f("timeout=0", 0)
	f("", noKeepAlive)
	f("300", noKeepAlive)
	f("timeout=", noKeepAlive)
	f("timeout=-1", noKeepAlive)
	f("timeout=1.5", noKeepAlive)
	f("xtimeout=5", noKeepAlive)
	f("timeout=9999999999", noKeepAlive)
}
