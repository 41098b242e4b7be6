//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/play"
	"gopher-equalizer/bench/lab/testbed"
)

// TestTheCorpus plays the whole corpus through the real program.
func TestTheCorpus(t *testing.T) {
	s, err := open(t.Context(), (*testbed.Bed).BuildRacy)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	requests, err := corpus.Requests()
	require.NoError(t, err)
	responses, err := corpus.Responses()
	require.NoError(t, err)

	t.Run("requests", func(t *testing.T) { ours(t, &s.ours.Proxy, requests, (*play.Proxy).Request) })
	t.Run("requests in pieces", func(t *testing.T) {
		p := s.ours.Proxy
		p.Pieces = true
		ours(t, &p, requests, (*play.Proxy).Request)
	})
	t.Run("responses", func(t *testing.T) { ours(t, &s.ours.Proxy, responses, (*play.Proxy).Response) })
	require.NoError(t, s.ours.sound())
}

// ours checks that each case comes out as the corpus wants, that no request hidden in another gets
// through, and that nobody else is harmed.
func ours(t *testing.T, p *play.Proxy, cases []corpus.Case, how how) {
	for _, c := range cases {
		o, err := how(p, c)
		if assert.NoError(t, err, c.Name) {
			assert.True(t, o.Meets(c.Want), "%s: want %s, got %s (partly forwarded: %t)", c.Name, c.Want, o.Text, o.Partial)
			assert.False(t, o.Smuggled(), c.Name)
		}
	}
}
