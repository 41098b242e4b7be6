package outcome

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// denied is the outcome of a request that a limit refused, at a moment since the start.
func denied(id, client string, at time.Duration) *Outcome {
	o := &Outcome{Status: 429, Route: "api", Why: Why{Failure: Limited}, Limits: []Limit{
		{Name: "open", ClientID: []byte("x"), Allowed: true}, {Name: "key", ClientID: []byte(client)},
	}}
	o.From.RequestID, o.From.Addr = []byte(id), netip.MustParseAddr("192.0.2.1")
	o.Times.last = at
	return o
}

// count is how many are kept, and for how many they stand.
func (d *denials) count() (kept int, stands int64) {
	d.each(func(one *denial) { kept, stands = kept+1, stands+int64(one.oneIn) })
	return kept, stands
}

func TestDenials(t *testing.T) {
	d := newDenials()
	now := time.Since(start)
	for i := range d.second - 1 {
		d.add(denied(fmt.Sprint("id", i), fmt.Sprint("client", i%3), now))
	}
	found, ok := d.of("id1")
	require.True(t, ok)
	assert.Equal(t, Denial{
		Time: start.Add(now), RequestID: "id1", ClientIP: netip.MustParseAddr("192.0.2.1"), Route: "api", Status: 429,
		Reason: "limited", Limit: "key", ClientID: "client1", OneIn: 1,
	}, found)
	for _, unknown := range []string{"", "id", "id999"} {
		_, ok = d.of(unknown)
		assert.False(t, ok, unknown)
	}
	top := d.top(2)
	require.Len(t, top, 2)
	assert.Equal(t, []any{"key", "client0", start.Add(now)}, []any{top[0].Limit, top[0].ClientID, top[0].Last})

	// Long ids are found, and nothing of what was there before is left.
	long := strings.Repeat("i", 128)
	o := denied(long, strings.Repeat("é", 100), now)
	o.Why = Explain(http1.Refuse(400, "odd", "X", nil, 0))
	d.add(o)
	found, ok = d.of(long)
	assert.True(t, ok)
	assert.Equal(t, []any{"odd", "", ""}, []any{found.Reason, found.Limit, found.ClientID})

	d.add(denied("old", "c", now-deniedFor))
	_, ok = d.of("old")
	assert.False(t, ok)
}

// Under a flood a sample is kept that stands for all, and once the flood is over each is kept.
func TestDenialsSampleAFlood(t *testing.T) {
	d := newDenials()
	const perSecond, seconds = 20000, 5
	now := time.Since(start)
	for range seconds {
		for i := range perSecond {
			d.add(denied("id", fmt.Sprint("client", i%4), now+time.Duration(i)*time.Second/perSecond))
		}
		now += time.Second
	}
	kept, stands := d.count()
	assert.Less(t, kept, seconds*d.second*16)
	assert.InEpsilon(t, perSecond*seconds, stands, 0.5)
	others := uint32(0)
	for ring := range d.rings.All() {
		others = max(others, ring.others.Load())
	}
	assert.Positive(t, others)
	assert.Len(t, d.top(10), 4)
	for i := range 100 { // Wherever the processor is now, the ring isn't in a flood.
		id := fmt.Sprint("after", i)
		now += 3 * time.Second
		d.add(denied(id, "c", now))
		found, ok := d.of(id)
		assert.True(t, ok)
		assert.Equal(t, 1, found.OneIn)
	}
}

// A ring keeps no more than its share, whatever comes.
func TestDenialsAreBounded(t *testing.T) {
	d := newDenials()
	d.most, d.second = 2*denialChunk, 1<<30
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 3 * denialChunk {
				d.add(denied(fmt.Sprint(g, "-", i), "c", time.Since(start)))
				if i%100 == 0 {
					d.top(1)
				}
			}
		})
	}
	all.Wait()
	for ring := range d.rings.All() {
		assert.LessOrEqual(t, len(ring.chunks), 2)
	}
}

func TestOnlyOurErrorsAreDenials(t *testing.T) {
	for _, c := range []struct {
		err    error
		broken bool
		want   bool
	}{
		{Limited, false, true},
		{NoRoute, false, true},
		{NoBackend, false, true},
		{BackendBad.Because(assert.AnError), false, true},
		{BackendBad, true, false},
		{http1.Refuse(400, "odd", "", nil, 0), false, true},
		{ClientGone, false, false},
		{Own, false, false},
		{FinalRecipient, false, false},
		{nil, false, false},
	} {
		o := Outcome{Broken: c.broken, Why: Explain(c.err)}
		assert.Equal(t, c.want, o.denied(), "%v", c.err)
	}
}

func TestDenialsDoNotAllocate(t *testing.T) {
	d := newDenials()
	d.most = denialChunk
	o := denied("0123456789abcdef0123456789abcdef", "client", time.Since(start))
	assert.LessOrEqual(t, testing.AllocsPerRun(10000, func() {
		o.Times.last += time.Microsecond
		d.add(o)
	}), 0.01) // A chunk may be made for another processor.
}

// What a refusal costs that is counted, without and with its place in a ring.
func BenchmarkDenial(b *testing.B) {
	for name, failure := range map[string]*Failure{"counted": Own, "kept": Limited} {
		b.Run(name, func(b *testing.B) {
			r := NewRecorder(zerolog.Nop())
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				o := denied("0123456789abcdef0123456789abcdef", "client", 0)
				o.Failure = failure
				for pb.Next() {
					o.counted = false
					o.Times.Begin(0)
					r.Began()
					r.Ended(o)
				}
			})
		})
	}
}
