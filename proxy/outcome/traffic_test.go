package outcome

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/meter"
)

// requested is the outcome of a request by a method, as a route's to a pool.
func requested(t *testing.T, method string, status int, by *Traffic) *Outcome {
	t.Helper()
	o := &Outcome{Head: new(http1.Request), Status: status, Traffic: by}
	require.Nil(t, o.Head.Parse([]byte(method+" / HTTP/1.1\r\nHost: a\r\n\r\n")))
	o.Times.Begin(0)
	return o
}

// Whatever clients and backends send, there are no more series than of what is known.
func TestSeriesAreBounded(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	for status := range 1100 {
		for _, method := range []string{"GET", "GETT", "get", "PURGE", strings.Repeat("X", status%50+1)} {
			r.Record(requested(t, method, status, nil), &Log{})
		}
	}
	r.Record(&Outcome{Status: 400}, &Log{}) // Its head couldn't be read.
	all := r.Traffic()
	require.Len(t, all, 1)
	total := int64(0)
	for _, c := range all[0].Requests {
		assert.Contains(t, []string{"GET", "_OTHER"}, c.Method)
		assert.Regexp(t, `^(|[1-9]xx|[1-5]\d\d)$`, c.Code)
		total += c.Count
	}
	assert.EqualValues(t, 5*1100+1, total)
	assert.Less(t, len(all[0].Requests), 2*90)
}

// What a configuration names goes on where it was, and the rest ends.
func TestCountsOutliveReloadsByName(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	naming := r.Naming()
	shop, old := naming.Traffic("shop", "www"), naming.Traffic("old", "www")
	assert.Same(t, shop, naming.Traffic("shop", "www"))
	takes := naming.Takes("address")
	naming.Takes("former")
	naming.End()
	r.Record(requested(t, "GET", 200, shop), &Log{})
	r.Record(requested(t, "GET", 200, old), &Log{})
	takes.Exempt()
	assert.Len(t, r.Traffic(), 3)
	assert.Len(t, r.Takes(), 2)

	naming = r.Naming()
	assert.Same(t, shop, naming.Traffic("shop", "www"))
	naming.Traffic("shop", "canary")
	assert.Same(t, takes, naming.Takes("address"))
	assert.Len(t, r.Takes(), 2, "until the end")
	naming.End()
	r.Record(requested(t, "GET", 200, old), &Log{}) // It began before.

	var names []string
	for _, s := range r.Traffic() {
		names = append(names, s.Route+">"+s.Pool)
	}
	assert.Equal(t, []string{">", "shop>canary", "shop>www"}, names)
	assert.Equal(t, []RequestCount{{"GET", "200", 1}}, r.Traffic()[2].Requests)
	assert.Equal(t, []TakesStats{{Limit: "address", Exempt: 1}}, r.Takes())
}

// The time of a request is split without a rest. A tunnel's is none.
func TestTimes(t *testing.T) {
	var times Times
	times.End()
	assert.Zero(t, times.Total(), "nothing began")
	times.Begin(0)
	times.Enter(OwnPart)
	waited := time.Duration(0)
	for range 2 { // a retry
		times.Enter(BackendPart)
		waited += times.Enter(OwnPart)
	}
	times.Enter(RelayPart)
	times.End()
	assert.Equal(t, waited, times.Of(BackendPart))
	assert.Positive(t, waited)
	assert.Equal(t, times.Total(), times.Of(ClientPart)+times.Of(OwnPart)+times.Of(BackendPart)+times.Of(RelayPart))

	r := NewRecorder(zerolog.Nop())
	served := requested(t, "GET", 200, nil)
	served.Sent.Backend = new(balancer.Backend)
	served.Times.Enter(OwnPart)
	r.Record(served, &Log{})
	r.Record(requested(t, "GET", 429, nil), &Log{})
	r.Record(requested(t, "GET", 101, nil), &Log{})
	s := r.Traffic()[0]
	counts := func(d meter.Distribution) int64 { return d.Count() }
	assert.Equal(t, []int64{0, 0, 1, 0, 1, 0}, []int64{
		counts(s.Durations[0]), counts(s.Durations[1]), counts(s.Durations[2]), counts(s.Durations[3]), counts(s.Durations[4]), counts(s.Durations[5]),
	})
	assert.EqualValues(t, 1, s.Overhead.Count())
	assert.Equal(t, served.Times.Of(OwnPart), s.Overhead.Sum)
	assert.Len(t, s.Requests, 3)
}

// Each failure is counted by the reason in its line of the log.
func TestFailuresAreCountedByReason(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	reasons := map[string]bool{}
	for i, f := range numbered {
		assert.EqualValues(t, i+1, f.number)
		assert.NotEmpty(t, f.Reason)
		reasons[f.Reason] = true
		var o Outcome
		o.Responds(f.Status)
		o.Fail(f)
		r.Record(&o, &Log{})
		r.Record(&o, &Log{})
	}
	all := r.Failures()
	assert.Len(t, all, len(reasons))
	for _, c := range all {
		assert.True(t, reasons[c.Reason])
		assert.EqualValues(t, 1, c.Count, "a request ends once")
	}
	var o Outcome
	o.Fail(http1.Refuse(400, "odd", "", nil, 0))
	r.Record(&o, &Log{})
	r.Record(&o, &Log{})
	assert.Equal(t, []ReasonCount{{"odd", 2}}, r.RefusedFor())
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	naming := r.Naming()
	o := requested(t, "GET", 200, naming.Traffic("a", "b"))
	o.AddLimit("a", naming.Takes("a")).Allowed = true
	naming.End()
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() { record(r, o) }), 0.1) // A processor may come for the first time.
}

// record does what the proxy does for a request that goes well.
func record(r *Recorder, o *Outcome) {
	o.counted = false
	o.Times.Begin(0)
	r.Began()
	o.Times.Enter(OwnPart)
	r.Took(o, true)
	o.Times.Enter(BackendPart)
	o.Times.Enter(OwnPart)
	r.Record(o, &Log{})
}

// All that a request costs that isn't logged: its counters, and the readings of the clock.
func BenchmarkRecord(b *testing.B) {
	r := NewRecorder(zerolog.Nop())
	naming := r.Naming()
	traffic, takes := naming.Traffic("a", "b"), naming.Takes("a")
	naming.End()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		o := &Outcome{Head: &http1.Request{Method: []byte("GET")}, Status: 200, Traffic: traffic}
		o.Sent.Backend = new(balancer.Backend)
		o.AddLimit("a", takes).Allowed = true
		for pb.Next() {
			record(r, o)
		}
	})
}
