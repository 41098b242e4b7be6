//go:build linux

package load

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShapesAreToldApart(t *testing.T) {
	f := func(s Shape, text, slug string) {
		t.Helper()
		assert.Equal(t, text, s.String())
		assert.Equal(t, slug, s.Slug())
	}
	f(Shape{Connections: 64, Size: Small}, "c = 64, small", "c64-small")
	f(Shape{Rate: 2000, Size: Ten}, "2,000/s, 10k", "2000s-10k")
	f(Shape{Connections: 1, Size: Mega, New: true}, "c = 1, 1m, new connections", "c1-1m-new")
	f(Shape{Connections: 64, Size: Small, TLS: true}, "c = 64, small, TLS", "c64-small-tls")
	f(Shape{Connections: 64, Size: Small, TLS: true, New: true}, "c = 64, small, TLS, new connections", "c64-small-tls-new")
	f(Shape{Connections: 64, Size: Small, After: 500}, "c = 64, small, after 500/s", "c64-small-after500s")
	f(Shape{Connections: 100, Streams: 10, Size: Small, TLS: true}, "c = 100 x 10 streams, small, TLS", "c100x10-small-tls")
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		assert.Equal(t, want, Thousands(n))
	}
}

func TestWhatTheBackendsMayHaveCounted(t *testing.T) {
	f := func(o Outcome, counted int64, ok bool) {
		t.Helper()
		assert.Equal(t, ok, o.Check(counted) == nil, "%+v, %d", o, counted)
	}
	exact := Outcome{Answered: 100}
	f(exact, 100, true)
	f(exact, 99, false)
	f(exact, 101, false)
	open := Outcome{Answered: 100, Open: 8}
	f(open, 108, true)
	f(open, 109, false)
	f(open, 99, false)
	failing := Outcome{Answered: 100, Refused: 30, Broken: 5}
	f(failing, 70, true)
	f(failing, 69, false)
	f(failing, 105, true)
	f(failing, 106, false)
	assert.ErrorContains(t, failing.Check(1), "counted 1 requests; want 70 to 105")
}

func TestQuantiles(t *testing.T) {
	var latencies []time.Duration
	for i := 1000; i > 0; i-- {
		latencies = append(latencies, time.Duration(i)*time.Millisecond)
	}
	at := quantiles(latencies)
	for i, q := range Quantiles() {
		assert.InDelta(t, q*10, at[i], 1, "%v %%", q)
	}
	assert.Equal(t, 500.0, at[6])
	assert.Nil(t, quantiles(nil))
	assert.Len(t, quantiles(latencies[:1]), len(at))
}

func TestWrksSummary(t *testing.T) {
	order := Order{Shape: Shape{Connections: 8}}
	out, err := decode([]byte(`{"requests":100,"micros":2000000,"status":1,"connect":2,"read":3,"write":4,"timeout":5,"latency":[1500,2000]}`+"\n"), order)
	require.NoError(t, err)
	assert.Equal(t, Outcome{Answered: 100, Refused: 1, Broken: 14, Open: 8, Elapsed: 2 * time.Second, Latency: []float64{1.5, 2}}, out)
	assert.Equal(t, 50.0, out.Rate())
	assert.Equal(t, int64(15), out.Failures())

	_, err = decode([]byte(`{"requests":`), order)
	assert.ErrorContains(t, err, "wrk's summary")
}

func TestWrksCommandLine(t *testing.T) {
	w := &Wrk{program: "/bin/wrk", script: "/tmp/wrk.lua"}
	f := func(o Order, want ...string) {
		t.Helper()
		assert.Equal(t, append([]string{"wrk", "-t1"}, want...), w.Command(o))
	}
	shape := Shape{Connections: 8, Size: Ten}
	f(Order{Shape: shape, Key: NoKey, Target: "h:1", Time: 1500 * time.Millisecond},
		"-c8", "-d3s", "--timeout", "5s", "-s", "wrk.lua", "http://h:1/10k")
	f(Order{Shape: shape, Key: OneKey, Target: "h:1", Time: time.Second},
		"-c8", "-d3s", "--timeout", "5s", "-s", "wrk.lua", "-H", "X-Api-Key: client-1", "http://h:1/10k")
	shape.New = true
	f(Order{Shape: shape, Key: RandomKeys, Target: "h:1", Time: time.Second, Seed: 7},
		"-c8", "-d3s", "--timeout", "5s", "-s", "wrk.lua", "-H", "Connection: close", "http://h:1/10k", "--", "random", "X-Api-Key", "1000000", "7")
}

func TestWrkByTLS(t *testing.T) {
	w := &Wrk{program: "/bin/wrk", script: "/tmp/wrk.lua"}
	args := w.Command(Order{Shape: Shape{Connections: 8, Size: Small, TLS: true}, Key: NoKey, Target: "h:1", Time: time.Second})
	assert.Equal(t, "https://h:1/small", args[len(args)-1])
}

// fakeWrk is a script in place of wrk.
func fakeWrk(t *testing.T, script string) *Wrk {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/wrk", []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	w, err := FindWrk(dir)
	require.NoError(t, err)
	return w
}

func TestWrkIsInterruptedOnceItHasBegun(t *testing.T) {
	w := fakeWrk(t, `trap 'kill $!; echo "{\"requests\":7,\"micros\":1000000,\"latency\":[1]}"; exit' INT
echo begin >&2
sleep 60 >/dev/null 2>&1 &
wait
`)
	out, err := w.Run(t.Context(), Order{Shape: Shape{Connections: 1}, Time: 20 * time.Millisecond})
	require.NoError(t, err)
	assert.Equal(t, int64(7), out.Answered)
}

func TestWrkThatFails(t *testing.T) {
	w := fakeWrk(t, "echo usage; echo unable to connect >&2; exit 1\n")
	_, err := w.Run(t.Context(), Order{Time: time.Hour})
	assert.ErrorContains(t, err, "exit status 1: unable to connect")
}

func TestNoWrk(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := FindWrk(t.TempDir())
	assert.EqualError(t, err, "wrk is not installed: no closed loop")
}
