package balancer

import (
	"fmt"
	"slices"
)

// Priority is how important a request is among those that wait for a place. "" is PriorityNormal.
type Priority string

// The more important ones wait in front of the others, and are refused last.
const (
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// Priorities are all of them, the most important one first.
var Priorities = [...]Priority{PriorityHigh, PriorityNormal, PriorityLow}

// ParsePriority reads a priority's name. The error names the text and what was wanted.
func ParsePriority(text string) (Priority, error) {
	if p := Priority(text); slices.Contains(Priorities[:], p) {
		return p, nil
	}
	return "", fmt.Errorf("unexpected priority %q; want %s, %s or %s", text, PriorityHigh, PriorityNormal, PriorityLow)
}

// The ranks of those that wait: retries first, and then by the index of their priority.
const (
	retryRank = 0
	ranks     = 1 + len(Priorities)
)

// rank is where a first attempt waits.
func (p Priority) rank() int {
	switch p {
	case PriorityHigh:
		return 1
	case PriorityLow:
		return 3
	}
	return 2
}
