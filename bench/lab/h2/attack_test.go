//go:build linux

package h2

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/measure"
)

// What an attack may cost a server. Go's collector lets the heap double before it runs.
const (
	mostGrowth = 96 * megabyte
	mostCPU    = 10 * time.Second
)

// cost is what an attack has cost.
type cost struct {
	growth int64 // of what is resident, at its peak
	cpu    time.Duration
	// served and failed are the requests of another client meanwhile.
	served, failed int64
	failure        error // the first
}

// faults are the reasons why a server has not withstood an attack.
func (c cost) faults() (faults []string) {
	if c.growth > mostGrowth {
		faults = append(faults, fmt.Sprintf("it took %d MB of memory; want %d at most", c.growth/megabyte, mostGrowth/megabyte))
	}
	if c.cpu > mostCPU {
		faults = append(faults, fmt.Sprintf("it took %v of CPU; want %v at most", c.cpu, mostCPU))
	}
	if c.failed > 0 || c.served == 0 {
		faults = append(faults, fmt.Sprintf("another client got %d responses, and %d of its requests failed: %v", c.served, c.failed, c.failure))
	}
	return faults
}

func (c cost) String() string {
	return fmt.Sprintf("%d MB, %v of CPU, %d requests of another client", c.growth/megabyte, c.cpu.Round(time.Millisecond), c.served)
}

// bystander is another client of the server, by its own connection. It sends a request at each
// pace, whatever became of those before.
type bystander struct {
	client         *http.Client
	url            string
	stopped        context.CancelFunc
	running        sync.WaitGroup
	served, failed atomic.Int64
	once           sync.Once
	failure        error // the first
}

const pace = 10 * time.Millisecond

func startBystander(ctx context.Context, to raw.Target) *bystander {
	ctx, stop := context.WithCancel(ctx)
	transport := &http.Transport{TLSClientConfig: to.TLS.Clone(), Protocols: new(http.Protocols), MaxIdleConnsPerHost: 1}
	transport.Protocols.SetHTTP2(true)
	b := &bystander{client: &http.Client{Transport: transport, Timeout: patience}, url: "https://" + to.Address + "/", stopped: stop}
	b.running.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			b.running.Go(b.ask)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return b
}

func (b *bystander) ask() {
	if err := b.tryOne(); err != nil {
		b.failed.Add(1)
		b.once.Do(func() { b.failure = err })
		return
	}
	b.served.Add(1)
}

func (b *bystander) tryOne() error {
	response, err := b.client.Get(b.url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && (string(text) != "ok" || response.StatusCode != http.StatusOK || response.ProtoMajor != 2) {
		err = fmt.Errorf("%s by %s, %q", response.Status, response.Proto, text)
	}
	return err
}

// stop waits for all that was asked.
func (b *bystander) stop() {
	b.stopped()
	b.running.Wait()
	b.client.CloseIdleConnections()
}

// during attacks a server, and returns what that cost.
func during(t *testing.T, to raw.Target, tree measure.Tree, attack func()) (c cost) {
	t.Helper()
	other := startBystander(t.Context(), to)
	require.Eventually(t, func() bool { return other.served.Load()+other.failed.Load() > 0 }, patience, time.Millisecond)
	before, err := tree.Resident()
	require.NoError(t, err)
	require.NoError(t, tree.ResetPeak())
	spent, err := tree.CPU()
	require.NoError(t, err)
	attack()
	after, err := tree.CPU()
	require.NoError(t, err)
	peak, err := tree.Peak()
	require.NoError(t, err)
	other.stop()
	return cost{peak - before, after - spent, other.served.Load(), other.failed.Load(), other.failure}
}

// attackers is how many connections of an attack there are at a time.
const attackers = 4

// onConnections has attackers do something side by side, on so many connections each, one after the
// other.
func onConnections(t *testing.T, connections int, to raw.Target, settings []http2.Setting, do func(*raw.Conn)) {
	t.Helper()
	var running sync.WaitGroup
	for range attackers {
		running.Go(func() {
			for range connections {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				c, err := raw.Dial(ctx, to, settings...)
				cancel()
				if !assert.NoError(t, err) {
					return
				}
				do(c)
			}
		})
	}
	running.Wait()
}

// withstands floods a server, and returns the faults that it has shown.
func withstands(t *testing.T, k flood, times, connections int, to raw.Target, tree measure.Tree) (faults []string) {
	t.Helper()
	var mu sync.Mutex
	var ends []outcome
	c := during(t, to, tree, func() {
		onConnections(t, connections, to, k.settings, func(conn *raw.Conn) {
			o := k.run(conn, times)
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, o)
		})
	})
	faults = c.faults()
	if len(ends) == 0 {
		return append(faults, "no connection was made")
	}
	for _, o := range ends {
		if o.all && !k.borne {
			faults = append(faults, fmt.Sprintf("it bore all %d of a connection's", o.done))
			break
		}
	}
	t.Logf("%d connections, one of them %s; %s", len(ends), ends[0], c)
	return faults
}

// floodAll floods the binary, as it is shipped, by every kind of flood. Those that it may bear are
// as often as it says.
func floodAll(t *testing.T, connections, borne int) {
	s := startServer(t, programs.shipped, address(origin(t).URL), "")
	for _, k := range floods() {
		t.Run(k.name, func(t *testing.T) {
			times := k.times
			if k.borne {
				times = borne
			}
			assert.Empty(t, withstands(t, k, times, connections, s.secure, s.tree()))
		})
	}
}

// No flood of frames takes much memory or CPU, or another client's responses, and what costs the
// client nothing ends its connection. TestFloods does the same for longer.
func TestFloodsShort(t *testing.T) { floodAll(t, 1, 50) }
