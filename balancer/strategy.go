package balancer

import "fmt"

// Strategy is how a pool picks from the backends that are available.
type Strategy string

const (
	// RoundRobin goes through the schedule in order. Every cycle holds each backend exactly as
	// often as its weight says.
	RoundRobin Strategy = "round_robin"
	// Random draws from the same schedule, each backend as likely as its weight says. With it, many
	// proxies in front of the same backends never fall into step.
	Random Strategy = "random"
)

// ParseStrategy reads a strategy's name. The error names the text and what was wanted.
func ParseStrategy(text string) (Strategy, error) {
	switch s := Strategy(text); s {
	case RoundRobin, Random:
		return s, nil
	}
	return "", fmt.Errorf("unexpected strategy %q; want %s or %s", text, RoundRobin, Random)
}
