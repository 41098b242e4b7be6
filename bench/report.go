package bench

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Report is what a run measured. Its JSON has every field, always.
type Report struct {
	// Rate is the requests a second that were asked for.
	Rate int `json:"rate"`
	// Seconds is how long the run took.
	Seconds float64 `json:"seconds"`
	// Rounds is how many whole rounds each side had, including the warm-up. RoundRequests is how
	// many requests a round has.
	Rounds        int `json:"rounds"`
	RoundRequests int `json:"round_requests"`
	// Stopped is why the run ended early; empty if it didn't.
	Stopped string `json:"stopped"`
	// Direct is the target without the proxy, Through the target through it; nil if that wasn't
	// asked for.
	Direct  Side  `json:"direct"`
	Through *Side `json:"through"`
	// Overhead is Through's latency less Direct's; nil if one of them is missing.
	Overhead *Latency `json:"overhead_ms"`
	// Noise is how much the direct latency differs between odd and even rounds; nil if there are no
	// two. An Overhead below it means nothing.
	Noise *Latency `json:"noise_ms"`
}

// Side is the outcome of one side's requests.
type Side struct {
	URL string `json:"url"`
	// Requests is how many were sent, and got a response or failed: Responses and Errors together.
	Requests int `json:"requests"`
	// Warmup is how many of those were in the first round, in which connections are made. Their
	// times don't count.
	Warmup int `json:"warmup"`
	// Failures is how many had no response, or one with a status of 400 or more.
	Failures int `json:"failures"`
	// Late is how many this machine sent over 10 ms late because it was busy itself.
	Late int `json:"late"`
	// Responses counts the responses by status.
	Responses map[int]int `json:"responses"`
	// Errors counts the requests without a response, by cause.
	Errors map[string]int `json:"errors"`
	// Latency is that of the requests that succeeded, from when each was sent to its response's
	// last byte; nil if none did. A request that had to wait because 512 others were under way is
	// timed from when it was due.
	Latency *Latency `json:"latency_ms"`
}

func (m *measurement) report(stopped string) Report {
	r := Report{
		Rate: m.s.Rate, Seconds: time.Since(m.started).Round(time.Millisecond).Seconds(),
		Rounds: m.done, RoundRequests: m.perRound, Stopped: stopped,
		Direct: m.sides[0].tally.done(), Noise: noise(m.sides[0].tally.rounds),
	}
	if len(m.sides) > 1 {
		through := m.sides[1].tally.done()
		r.Through = &through
		r.Overhead = through.Latency.minus(r.Direct.Latency)
	}
	return r
}

// String is the report for people: a table, then notes.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests a second for %.1f s, in rounds of %d\n\n", r.Rate, r.Seconds, r.RoundRequests)
	fmt.Fprintf(&b, "%-9s%10s%10s%12s%12s%12s\n", "", "requests", "failures", "p50 ms", "p90 ms", "p99 ms")
	r.Direct.row(&b, "direct")
	if r.Through != nil {
		r.Through.row(&b, "through")
	}
	if r.Overhead != nil {
		row(&b, "overhead", "", "", r.Overhead, "%+.3f")
	}
	if r.Noise != nil {
		row(&b, "noise", "", "", r.Noise, "%.3f")
	}
	b.WriteByte('\n')
	for _, note := range r.notes() {
		b.WriteString(note + "\n")
	}
	return b.String()
}

func (s Side) row(b *strings.Builder, name string) {
	row(b, name, fmt.Sprint(s.Requests), fmt.Sprint(s.Failures), s.Latency, "%.3f")
}

func row(b *strings.Builder, name, requests, failures string, l *Latency, format string) {
	fmt.Fprintf(b, "%-9s%10s%10s", name, requests, failures)
	for _, cell := range l.cells(format) {
		fmt.Fprintf(b, "%12s", cell)
	}
	b.WriteByte('\n')
}

func (l *Latency) cells(format string) []string {
	if l == nil {
		return []string{"-", "-", "-"}
	}
	return []string{
		fmt.Sprintf(format, l.P50.float()), fmt.Sprintf(format, l.P90.float()), fmt.Sprintf(format, l.P99.float()),
	}
}

// notes are what the figures alone don't show.
func (r Report) notes() []string {
	notes := []string{"direct: " + r.Direct.outcomes()}
	if r.Through != nil {
		notes = append(notes, "through: "+r.Through.outcomes())
	}
	if r.Noise != nil {
		notes = append(notes, "noise: how much direct differs from itself, one half of its rounds from the other")
	}
	if r.Overhead != nil && r.Noise != nil && r.Overhead.P50 <= r.Noise.P50 {
		notes = append(notes, "the overhead at p50 is lost in the noise: a longer run may tell")
	}
	if r.limited() {
		notes = append(notes, "429: a limit on the way refused requests; lift it for this client to measure more of them")
	}
	if late, of := r.late(); late*100 > of {
		notes = append(notes, fmt.Sprintf("%d of %d requests were sent over %v late: this machine is too busy for the rate", late, of, lateAfter))
	}
	if r.Stopped != "" {
		notes = append(notes, "stopped early: "+r.Stopped)
	}
	return notes
}

func (r Report) limited() bool {
	return r.Direct.Responses[http.StatusTooManyRequests] > 0 ||
		r.Through != nil && r.Through.Responses[http.StatusTooManyRequests] > 0
}

func (r Report) late() (late, of int) {
	late, of = r.Direct.Late, r.Direct.Requests
	if r.Through != nil {
		late, of = late+r.Through.Late, of+r.Through.Requests
	}
	return late, of
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
