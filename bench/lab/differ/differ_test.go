//go:build linux

package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/play"
	"gopher-equalizer/bench/lab/testbed"
)

// TestTheCorpus plays all of it through the real program, and through the peers that this machine has.
func TestTheCorpus(t *testing.T) {
	s, err := open(t.Context(), (*testbed.Bed).BuildRacy)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	requests, err := corpus.Requests()
	require.NoError(t, err)
	answers, err := corpus.Answers()
	require.NoError(t, err)

	t.Run("requests", func(t *testing.T) { ours(t, &s.ours.Proxy, requests, (*play.Proxy).Request) })
	t.Run("requests in pieces", func(t *testing.T) {
		p := s.ours.Proxy
		p.Pieces = true
		ours(t, &p, requests, (*play.Proxy).Request)
	})
	t.Run("answers", func(t *testing.T) { ours(t, &s.ours.Proxy, answers, (*play.Proxy).Answer) })
	t.Run("table", func(t *testing.T) { differences(t, s) })
	require.NoError(t, s.ours.sound())
}

// ours sees that each case comes out as the corpus says, that no request hidden in another is one, and that nobody else
// is harmed.
func ours(t *testing.T, p *play.Proxy, cases []corpus.Case, how how) {
	for _, c := range cases {
		o, err := how(p, c)
		if assert.NoError(t, err, c.Name) {
			assert.True(t, o.Meets(c.Want), "%s: want %s, got %s (partly forwarded: %t)", c.Name, c.Want, o.Text, o.Partial)
			assert.False(t, o.Smuggled(), c.Name)
		}
	}
}

// differences sees that what comes of a run is on the page, if the peers are those it was made with. With others, or
// fewer, what they do is theirs; that each difference would be explained the corpus itself sees to. So is a way in which a
// case that differs anyway hasn't come out before: some are a process's for as long as it lives.
func differences(t *testing.T, s *bed) {
	text, err := os.ReadFile("DIFFERENCES.md")
	require.NoError(t, err)
	run, err := s.compare(false)
	require.NoError(t, err)
	if len(s.lacking) > 0 || !run.madeWithTheSame(text) {
		t.Logf("the page was made with other versions than %q", run.Proxies)
		return
	}
	for _, h := range run.Halves() {
		for i, c := range h.cases {
			outcomes := h.outcomes[i]
			want := onPage(text, c.Name)
			there := want != nil
			if !there { // all do the same
				want = slices.Repeat(outcomes[:1], len(outcomes))
			}
			for j, p := range s.all() {
				if h.comesOut(c, p, outcomes[j], want[j]) {
					continue
				}
				report := t.Errorf
				if there && p.peer {
					report = t.Logf
				}
				report("%s, %s: run %s, page %s; make differ makes the page anew", c.Name, p.name, outcomes[j], want[j])
			}
		}
	}
	var page bytes.Buffer
	require.NoError(t, write(&page, run))
	assert.Equal(t, prose(text), prose(page.Bytes()), "make differ makes the page anew")
}

// comesOut says whether a case came out as the page has it: ours exactly; a peer in one of the ways, now or in some more tries.
func (h *half) comesOut(c corpus.Case, p *proxy, got, want string) bool {
	if !p.peer {
		return got == want
	}
	ways := strings.Split(want, or)
	for range 20 {
		for _, o := range strings.Split(got, or) {
			if slices.Contains(ways, o) {
				return true
			}
		}
		outcomes, err := h.play(c, []*proxy{p})
		if err != nil {
			return false
		}
		got = outcomes[0]
	}
	return false
}

// prose is what a page says around its tables.
func prose(page []byte) (lines []string) {
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "## ") && !strings.Contains(line, "answers differ") && !strings.HasPrefix(line, "RFC ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" })
}
