package outcome

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/mask"
)

// Control characters can't break a line of the log.
func TestAccessLogIsJSON(t *testing.T) {
	var out strings.Builder
	record := NewRecorder(zerolog.Nop())
	o := Outcome{Head: new(http1.Request), Status: 200, Why: Why{Cause: assert.AnError}}
	require.NotNil(t, o.Head.Parse([]byte("GET /\x80 HTTP/1.1\r\nHost: a\x80\"b\tc\r\n\r\n")))
	record.Record(&o, &Log{Access: true, JSON: zerolog.LevelWriterAdapter{Writer: &out}})
	assert.True(t, json.Valid([]byte(out.String())), out.String())
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
}

// A target is masked, and escaped where JSON needs that.
func TestLoggedTargets(t *testing.T) {
	l := &Log{Masked: mask.New(mask.Default)}
	for target, want := range map[string]string{
		"/": "/", "/a?token=x&b=c": "/a?token=***&b=c", `/a\b?token=x`: `/a\b?token=***`, `/\`: `/\`, "/%22": "/%22",
	} {
		dst := l.appendURI([]byte("{"), &http1.Request{Target: []byte(target)})
		var got struct{ URI string }
		require.NoError(t, json.Unmarshal(append([]byte("{"), append(dst[2:], '}')...), &got), "%s", dst)
		assert.Equal(t, want, got.URI)
	}
}

func BenchmarkLog(b *testing.B) {
	addr := netip.MustParseAddr("192.0.2.1")
	o := Outcome{
		Head:   new(http1.Request),
		From:   Sender{Peer: addr, Addr: addr, RequestID: []byte("0123456789abcdef0123456789abcdef")},
		Limits: []Limit{{Name: "default", ClientID: []byte("client-1234567"), Allowed: true}},
		Sent:   Forwarding{Backend: new(balancer.Backend), Waited: 123456},
		Status: 200, Size: 12345,
	}
	o.Times.Begin(0)
	if o.Head.Parse([]byte(http1test.Browser)) != nil {
		b.Fatal("refused")
	}
	all := &Log{Access: true, Masked: mask.New(mask.Default), JSON: discard{}}
	b.ReportAllocs()
	for b.Loop() {
		o.Times.End()
		all.write(&o)
	}
}
