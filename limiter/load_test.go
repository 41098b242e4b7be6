package limiter

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// again loads the same record so many times, which is enough for what counts them.
type again struct {
	*fakeStore
	times int
}

func (s again) Load(_ context.Context, yield func(Record) error) error {
	r := Record{ClientID: "a", Settings: Settings{10, Refill{1, time.Minute}}, Tokens: 1, At: time.Now().UTC()}
	for range s.times {
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func TestALongLoadSaysHowFarItIs(t *testing.T) {
	var log bytes.Buffer
	o := Options{
		Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Minute, Logger: zerolog.New(&log),
	}
	_, err := Open(context.Background(), o, again{newFakeStore(), 2*loadProgress + 1})
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 3)
	assert.JSONEq(t, `{"level":"info","buckets":1000000,"message":"loading"}`, lines[0])
	assert.JSONEq(t, `{"level":"info","buckets":2000000,"message":"loading"}`, lines[1])
	assert.Contains(t, lines[2], `"buckets":2000001`)
}
