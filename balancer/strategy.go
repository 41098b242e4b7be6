package balancer

import (
	"fmt"
	"slices"
	"strings"
)

// Strategy is how a pool picks from the backends that are available.
type Strategy string

const (
	// RoundRobin goes through the schedule in order. Every cycle holds each backend exactly as
	// often as its weight says.
	RoundRobin Strategy = "round_robin"
	// Random draws from the same schedule, each backend as likely as its weight says. With it, many
	// proxies in front of the same backends never fall into step.
	Random Strategy = "random"
	// LeastInFlight picks the backend that has the fewest requests in flight for its weight, of all
	// up to 16 backends, and of 4 that are drawn from more.
	LeastInFlight Strategy = "least_in_flight"
	// P2C picks the one of two that are drawn which has fewer requests in flight for its weight.
	P2C Strategy = "p2c"
	// PeakEWMA picks the one of two that are drawn which would be done sooner, by its latency and
	// its requests in flight.
	PeakEWMA Strategy = "peak_ewma"
	// Hash picks the same backend for all requests of a client, unless that has far more to do than
	// the others.
	Hash Strategy = "hash"
	// Sticky has a client come back to its backend by a cookie. New clients are spread by
	// RoundRobin.
	Sticky Strategy = "sticky"
)

// strategies are all of them.
var strategies = []Strategy{RoundRobin, Random, LeastInFlight, P2C, PeakEWMA, Hash, Sticky}

// ParseStrategy reads a strategy's name. The error names the text and what was wanted.
func ParseStrategy(text string) (Strategy, error) {
	if s := Strategy(text); slices.Contains(strategies, s) {
		return s, nil
	}
	names := make([]string, len(strategies))
	for i, s := range strategies {
		names[i] = string(s)
	}
	last := len(names) - 1
	return "", fmt.Errorf("unexpected strategy %q; want %s or %s", text, strings.Join(names[:last], ", "), names[last])
}
