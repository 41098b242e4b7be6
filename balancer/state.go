package balancer

import "fmt"

// State is what the operator wants of a backend, whatever its health (HAProxy's words).
type State string

const (
	// Ready takes requests while it is healthy.
	Ready State = "ready"
	// Drain takes no new requests, and finishes those that it has. It is still probed.
	Drain State = "drain"
	// Maint takes no requests and is not probed: it may be switched off.
	Maint State = "maint"
)

// ParseState reads a state's name. The error names the text and what was wanted.
func ParseState(text string) (State, error) {
	switch s := State(text); s {
	case Ready, Drain, Maint:
		return s, nil
	}
	return "", fmt.Errorf("unexpected state %q; want %s, %s or %s", text, Ready, Drain, Maint)
}
