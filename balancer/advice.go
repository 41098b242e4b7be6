package balancer

import (
	"fmt"
	"strconv"
	"strings"
)

// Advice is how much a backend says it should get, by a field of its response to a probe, as with
// HAProxy's agent-check. It lowers what the operator wants, and never raises it. The zero Advice is
// none.
type Advice struct {
	// Less is how many percent of its weight a backend doesn't want, 0 to 99.
	Less int
	// Drain is that it wants no new requests. It gets them all the same while no other backend is
	// available.
	Drain bool
}

// ParseAdvice reads "ready" or "" for none, "50%" for that part of the weight, and "drain" or "0%"
// for no new requests. The error names the text and what was wanted.
func ParseAdvice(text string) (Advice, error) {
	percent, isPart := strings.CutSuffix(text, "%")
	switch n, err := strconv.Atoi(percent); {
	case text == "" || strings.EqualFold(text, "ready"):
		return Advice{}, nil
	case strings.EqualFold(text, "drain"):
		return Advice{Drain: true}, nil
	case !isPart || err != nil || n < 0 || n > 100:
		return Advice{}, fmt.Errorf("unexpected %.40q; want ready, drain, or 0%% to 100%%", text)
	case n == 0:
		return Advice{Drain: true}, nil
	default:
		return Advice{Less: 100 - n}, nil
	}
}

// String is "drain", "50%", or "" for none.
func (a Advice) String() string {
	switch {
	case a.Drain:
		return "drain"
	case a.Less > 0:
		return strconv.Itoa(100-a.Less) + "%"
	}
	return ""
}

// parts are what backends get of the requests, in relation to each other: their weights, or what
// their advice leaves of them, from 1 to MaxWeight. The caller holds Pool.mu.
func parts(backends []*Backend) []int {
	heaviest, advised := 1, false
	for _, b := range backends {
		heaviest = max(heaviest, b.weight())
		advised = advised || b.advice.Less > 0
	}
	scale := 1
	if advised { // Half of a weight of 1 needs finer weights.
		scale = MaxWeight / heaviest
	}
	all := make([]int, len(backends))
	for i, b := range backends {
		all[i] = max(1, (b.weight()*scale*(100-b.advice.Less)+50)/100)
	}
	return all
}

// takeAdvice takes a backend's advice, and reports whether it is another one. The caller holds
// p.mu.
func (p *Pool) takeAdvice(b *Backend, a Advice) (changed bool) {
	if a == b.advice {
		return false
	}
	event := p.log.Debug()
	if a.Drain != b.advice.Drain {
		event = p.log.Info()
	}
	b.advice = a
	event.Str("pool", p.name).Str("backend", b.Name()).Str("advice", a.String()).
		Msg("backend advises another share of the requests")
	return true
}

// followsDrains reports whether those that advise to drain get no requests: if others can take
// them. The caller holds p.mu.
func (p *Pool) followsDrains() bool {
	for _, b := range p.backends {
		if b.available() && !b.advice.Drain {
			return true
		}
	}
	return false
}
