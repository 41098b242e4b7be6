package outcome

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/mask"
)

// ended is the outcome of a request at a moment since start.
func ended(t *testing.T, at time.Duration) *Outcome {
	t.Helper()
	o := asked(t, "/a?token=hush", "")
	o.Route, o.Times.last = "web", at
	o.AddLimit("client", nil).ClientID = []byte("k")
	o.Limits[0].Allowed = true
	return o
}

func TestFilter(t *testing.T) {
	refused := ended(t, 0)
	refused.Status, refused.Failure, refused.Limits[0].Allowed = 429, Limited, false
	slow := ended(t, 0)
	slow.Times.spent[BackendPart] = time.Second
	odd := ended(t, 0)
	odd.Status, odd.Refusal = 400, &http1.Refusal{Reason: "two-hosts"}
	f := func(filter Filter, want ...bool) {
		t.Helper()
		for i, o := range []*Outcome{ended(t, 0), refused, slow, odd} {
			assert.Equal(t, want[i], filter.wants(o), "%+v: %d", filter, i)
		}
	}
	f(Filter{}, true, true, true, true)
	f(Filter{LeastStatus: 400, MostStatus: 499}, false, true, false, true)
	f(Filter{LeastStatus: 400, MostStatus: 400}, false, false, false, true)
	f(Filter{LeastStatus: 200, MostStatus: 299}, true, false, true, false)
	f(Filter{Route: "web"}, true, true, true, true)
	f(Filter{Route: "api"}, false, false, false, false)
	f(Filter{Client: "192.0.2.1"}, true, true, true, true)
	f(Filter{Client: "192.0.2.9"}, false, false, false, false)
	f(Filter{Client: "k"}, true, true, true, true)
	f(Filter{Reason: "limited"}, false, true, false, false)
	f(Filter{Reason: "two-hosts"}, false, false, false, true)
	f(Filter{AtLeast: time.Second}, false, false, true, false)
}

// A Tail has the log's lines, masked as those, also while the log has none.
func TestTail(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	l := &Log{Masked: mask.New(mask.Default)}
	r.tails.tell(ended(t, 0), l)
	tail, other := r.Tail(Filter{MostStatus: 499}), r.Tail(Filter{LeastStatus: 500})
	r.tails.tell(ended(t, 0), l)
	line, leftOut, err := tail.Next(t.Context())
	require.NoError(t, err)
	assert.Zero(t, leftOut)
	var got struct {
		Status  int
		Sample  *int
		Request struct{ URI string }
	}
	require.NoError(t, json.Unmarshal(line, &got), "%s", line)
	assert.Equal(t, 200, got.Status)
	assert.Nil(t, got.Sample)
	assert.Equal(t, "/a?token=***", got.Request.URI)

	gone, leave := context.WithCancel(t.Context())
	leave()
	_, _, err = other.Next(gone)
	assert.ErrorIs(t, err, context.Canceled)
	tail.Close()
	other.Close()
	assert.Nil(t, r.tails.all.Load(), "requests look at nothing else")
}

// Under a flood a Tail tells of one in so many, and of how many it doesn't. Without a reader it
// keeps no more than it may.
func TestTailUnderAFlood(t *testing.T) {
	r := NewRecorder(zerolog.Nop())
	l := &Log{Masked: mask.New(mask.Default)}
	tail := r.Tail(Filter{})
	const flood = 10 * toldASecond
	told, leftOut := 0, int64(0)
	for second := range 3 {
		for range flood {
			r.tails.tell(ended(t, time.Duration(second+1)*time.Second), l)
		}
		lines := len(tail.lines)
		assert.LessOrEqual(t, lines, toldASecond)
		for range lines {
			line, missed, err := tail.Next(t.Context())
			require.NoError(t, err)
			told, leftOut = told+1, leftOut+missed
			if second > 0 {
				assert.Contains(t, string(line), `"sample":16`, "the second before had 10 times as many")
			}
		}
	}
	assert.EqualValues(t, 3*flood, int64(told)+leftOut+tail.leftOut.Load())
	assert.Zero(t, tail.waiting.Load())

	for second := range 100 {
		for range toldASecond / 10 {
			r.tails.tell(ended(t, time.Duration(second+10)*time.Second), l)
		}
	}
	assert.Len(t, tail.lines, waitingLines)
	assert.LessOrEqual(t, tail.waiting.Load(), int64(waitingBytes))
	tail.Close()
}
