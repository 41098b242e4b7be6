package outcome

import "time"

// Part is a part of a request's time, by whom it is up to.
type Part int

const (
	// ClientPart: the client sends the request.
	ClientPart Part = iota
	// OwnPart: we read, decide and write.
	OwnPart
	// QueuePart: no backend has room for the request.
	QueuePart
	// BackendPart: a connection to the backend is made, and it responds.
	BackendPart
	// RelayPart: the rest of the response goes on as the backend sends it and the client takes it.
	RelayPart
)

// Times splits the time of a request.
type Times struct {
	// last is the last reading of the clock, and now the part that began with it.
	last  time.Duration
	now   Part
	spent [RelayPart + 1]time.Duration
}

// start is what moments are counted from: reading the monotonic clock alone costs half of what the
// time of day does.
var start = time.Now()

// Begin begins the time of a request, with the client's part. For so long the request has waited
// before, which was up to us.
func (t *Times) Begin(waited time.Duration) {
	*t = Times{last: time.Since(start)}
	t.spent[OwnPart] = waited
}

// Enter ends the part that runs, and begins another one. It returns how long the former took.
func (t *Times) Enter(p Part) time.Duration {
	now := time.Since(start)
	passed := now - t.last
	t.spent[t.now] += passed
	t.last, t.now = now, p
	return passed
}

// Queued notes that so much of our part was spent in a queue, of all time until now.
func (t *Times) Queued(all time.Duration) {
	t.spent[OwnPart] -= all - t.spent[QueuePart]
	t.spent[QueuePart] = all
}

// End ends the part that runs, unless nothing has begun.
func (t *Times) End() {
	if t.last != 0 {
		t.Enter(t.now)
	}
}

// Of is how long a part took, up to the last Enter or End.
func (t *Times) Of(p Part) time.Duration { return t.spent[p] }

// Total is how long all parts took, up to the last Enter or End; 0 for a request that never began.
func (t *Times) Total() (all time.Duration) {
	for _, d := range t.spent {
		all += d
	}
	return all
}
