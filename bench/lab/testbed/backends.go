//go:build linux

package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/child"
)

// Backends are the sample backends. They count their requests.
type Backends struct {
	Addresses []string // HOST:PORT
	control   string
	process   *child.Process
}

// Backends starts the sample backends, which were built.
func (b *Bed) Backends() (*Backends, error) {
	var hello struct {
		Backends []string
		Control  string
	}
	process, err := b.Start(child.Program{
		Path:  b.Program(Backend),
		Hello: func(r io.Reader) error { return json.NewDecoder(r).Decode(&hello) },
	})
	return &Backends{hello.Backends, hello.Control, process}, err
}

// Counts are the requests that each got so far.
func (b *Backends) Counts(ctx context.Context) ([]int64, error) {
	var c struct{ Requests []int64 }
	if err := GetJSON(ctx, "http://"+b.control+"/counts", &c); err != nil {
		return nil, fmt.Errorf("ask the backends for their counts: %w: %s", err, b.process.LastWords())
	}
	return c.Requests, nil
}

// Settled are the counts once they were the same so many times, 10 ms apart: a load that has
// ended may have left requests on their way.
func (b *Backends) Settled(ctx context.Context, times int) ([]int64, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last, err := b.Counts(ctx)
	for same := 0; err == nil && same < times; {
		<-tick.C
		var now []int64
		now, err = b.Counts(ctx)
		if same++; !slices.Equal(now, last) {
			same = 0
		}
		last = now
	}
	return last, err
}
