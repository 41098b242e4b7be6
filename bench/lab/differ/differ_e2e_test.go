//go:build linux && e2e

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
	"gopher-equalizer/bench/lab/testbed"
)

// TestThePage also plays the corpus through the peers that this machine has, and compares the page
// with the outcome.
func TestThePage(t *testing.T) {
	b, err := open(t.Context(), (*testbed.Bed).BuildRacy)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	differences(t, b)
	require.NoError(t, b.ours.sound())
}

// differences checks that the outcome of a run is on the page, if the peers have the versions that
// it was made with. Other versions may differ: the corpus has a reason for each case. A case that
// differs anyway may also have an outcome that it hasn't had before, since some depend on the
// process.
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

// comesOut reports whether a case came out as the page has it: with ours exactly, with a peer in
// one of the ways, now or in some more tries.
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

// prose is a page's text around its tables.
func prose(page []byte) (lines []string) {
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "## ") && !strings.Contains(line, "responses differ") && !strings.HasPrefix(line, "RFC ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" })
}
