package balancer

import "time"

// Result is what an attempt showed of its backend: what strategies and health learn from the
// traffic.
type Result struct {
	// Fault is how the backend broke the attempt. Without a fault and without a Status, nothing was
	// learned: the client left before the response.
	Fault Fault
	// Status is the final response's; 0 if none came.
	Status int
	// Latency is how long it took until the response's head was there, or until the attempt failed,
	// with the connect if one was made.
	Latency time.Duration
}

// Fault is how a backend broke an attempt.
type Fault uint8

const (
	// NoFault: it didn't.
	NoFault Fault = iota
	// Unreachable: no connection could be made.
	Unreachable
	// Broke: the connection broke, or what came on it was no response.
	Broke
	// Late: it made no progress in time.
	Late
)

// String is the fault in words, behind "N requests in a row".
func (f Fault) String() string {
	switch f {
	case Unreachable:
		return "couldn't connect"
	case Broke:
		return "got no valid response"
	case Late:
		return "got no response in time"
	}
	return "succeeded"
}
