package message

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// readTrailers reads a list by itself, into name-value pairs.
func readTrailers(t *Trailers, list []field) (pairs []string, err error) {
	t.Reset(testBytes, testFields)
	for _, f := range list {
		t.Field(f.name, f.value)
	}
	fields, err := t.End()
	for _, f := range fields {
		pairs = append(pairs, string(f.Name), string(f.Value))
	}
	return pairs, err
}

func TestTrailersAreRead(t *testing.T) {
	var trailers Trailers
	f := func(pairs ...string) {
		t.Helper()
		got, err := readTrailers(&trailers, fieldsOf(pairs...))
		require.NoError(t, err)
		require.Equal(t, pairs, got)
	}
	f("grpc-status", "0", "grpc-message", "")
	f("x", "a b\tc\xe9", "x", "d")
	f()
	f("te", "trailers")

	fields, err := func() ([]http1.Field, error) {
		trailers.Reset(testBytes, testFields)
		trailers.Field("x", "y")
		return trailers.End()
	}()
	require.NoError(t, err)
	require.Equal(t, "x: y\r\n", string(fields[0].Line))
}

func TestTrailersAreRefused(t *testing.T) {
	var trailers Trailers
	f := func(reason string, list []field) {
		t.Helper()
		got, err := readTrailers(&trailers, list)
		assert.Nil(t, got)
		switch why := err.(type) {
		case *Malformed:
			assert.Equal(t, reason, why.Reason, "%q", list)
		case *http1.Refusal:
			assert.Equal(t, reason, why.Reason, "%q", list)
			assert.Equal(t, 400, why.Status, "%q", list)
		default:
			assert.Fail(t, "not refused", "%q", list)
		}
	}
	for _, name := range []string{":method", ":path", ":status", ":", ":x"} {
		f("trailers-pseudo", fieldsOf(name, "GET"))
		f("trailers-pseudo", fieldsOf("x", "y", name, ""))
	}
	f("field-name", fieldsOf("X", "y"))
	f("field-name", fieldsOf("", "y"))
	f("field-name", fieldsOf("x\r\n\r\nGET / HTTP/1.1", "y"))
	f("field-value", fieldsOf("x", "y\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"))
	f("field-value", fieldsOf("x", "\x00"))
	f("field-space", fieldsOf("x", " y"))
	f("field-connection", fieldsOf("connection", "close"))
	f("field-connection", fieldsOf("transfer-encoding", "chunked"))
	f("te", fieldsOf("te", "gzip"))
	f("trailers", fieldsOf("x", "\x01")) // HTTP/1's own rule.

	many := make([]field, testFields+1)
	for i := range many {
		many[i] = field{"x", ""}
	}
	f("trailers", many)
	large := fieldsOf("x", string(make([]byte, testBytes)))
	f("trailers", large)
}

func TestTrailersDoNotAllocate(t *testing.T) {
	var trailers Trailers
	n := testing.AllocsPerRun(100, func() {
		trailers.Reset(testBytes, testFields)
		trailers.Field("grpc-status", "0")
		trailers.Field("grpc-message", "")
		if fields, err := trailers.End(); err != nil || len(fields) != 2 {
			t.Fatal(err)
		}
	})
	require.Zero(t, n)
}
