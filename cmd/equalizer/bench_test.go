package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench"
)

func TestParseBench(t *testing.T) {
	const target = "http://127.0.0.1:3000/"
	var out bytes.Buffer
	good := func(want func(*bench.Settings), wantJSON bool, args ...string) {
		t.Helper()
		s, asJSON, err := parseBench(append([]string{"--target", target}, args...), terminal{stdout: &out})
		require.NoError(t, err)
		expected := bench.Default()
		expected.Target, expected.Header = target, http.Header{}
		want(&expected)
		assert.Equal(t, expected, s)
		assert.Equal(t, wantJSON, asJSON)
	}
	good(func(*bench.Settings) {}, false)
	good(func(*bench.Settings) {}, true, "--json")
	good(func(s *bench.Settings) {
		s.Through, s.Rate, s.Duration, s.Timeout = "https://edge/", 250, 90*time.Second, 300*time.Millisecond
	}, false, "--through", "https://edge/", "--rate", "250", "--duration", "1m30s", "--timeout", "300ms")
	good(func(s *bench.Settings) {
		s.Header = http.Header{"X-Api-Key": {"a:b", ""}, "Host": {"api.example.com"}}
	}, false, "--header", "x-api-key: a:b", "--header", "Host:api.example.com ", "--header", "X-Api-Key:")

	bad := func(want string, args ...string) {
		t.Helper()
		_, _, err := parseBench(args, terminal{stdout: &out})
		var misuse usageError
		require.ErrorAs(t, err, &misuse)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	bad("--target is missing: want http://HOST:PORT/PATH")
	bad(`--target "nowhere"; want http://HOST:PORT/PATH, or https`, "--target", "nowhere")
	bad(`--through "http://u:xxxxx@a/" has a user in it`, "--target", target, "--through", "http://u:hunter2@a/")
	bad("--rate 0; want 1 to 10000", "--target", target, "--rate", "0")
	bad("--rate 10000 for 10m0s is 6000000 requests; want 1000000 at most", "--target", target, "--rate", "10000", "--duration", "10m")
	bad(`invalid value "fast" for flag -rate`, "--target", target, "--rate", "fast")
	bad("--duration 0s; want 1s to 10m0s", "--target", target, "--duration", "0s")
	bad("--timeout 2m0s; want 1ms to 1m0s", "--target", target, "--timeout", "2m")
	bad("--header number 2 has no colon; want 'NAME: VALUE'", "--target", target, "--header", "A: b", "--header", "hunter2")
	bad("--header A has a control character in its value", "--target", target, "--header", "A: hunter2\rB")
	bad(`--header "" is no name`, "--target", target, "--header", ": hunter2")
	bad(`unexpected argument "http://b/"`, "--target", target, "http://b/")

	out.Reset()
	_, _, err := parseBench([]string{"--help"}, terminal{stdout: &out})
	require.ErrorIs(t, err, flag.ErrHelp)
	assert.Equal(t, benchUsage, out.String())
}

func TestWhichHelpIsPointedTo(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var errs bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), args, terminal{stdout: io.Discard, stderr: &errs}))
		assert.Contains(t, errs.String(), "\nRun '"+want+" --help' for usage.\n")
	}
	f("equalizer bench", "bench", "--rate", "fast")
	f("equalizer bench", "bench")
	f("equalizer", "--rate", "fast")
	f("equalizer", "check", "--rate", "fast")
}

// benchCommand runs `equalizer bench` to its end.
func benchCommand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, append([]string{"bench"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// counted is a backend that counts requests that came directly, and through a proxy.
func counted(t *testing.T) (url string, direct, through *atomic.Int64) {
	t.Helper()
	direct, through = new(atomic.Int64), new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/measured": // a health check
		case r.Header.Get("X-Forwarded-For") == "":
			direct.Add(1)
		default:
			through.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, direct, through
}

// The report agrees with what the backend and the proxy have counted, and no field is left out.
func TestBenchAddsUp(t *testing.T) {
	url, direct, through := counted(t)
	p := launch(t, free("--backend", url)...)
	defer p.stop()

	out, errs, code := benchCommand(t, "--json", "--target", url+"/measured", "--through", p.proxy+"/measured", "--rate", "100", "--duration", "2s")
	require.Zero(t, code, errs)
	assert.Contains(t, errs, "100 requests a second for 2s to "+url)
	type percentiles map[string]float64
	type side struct {
		URL                              string
		Requests, Warmup, Failures, Late *int64
		Responses                        map[string]int64
		Errors                           map[string]int64
		Latency                          percentiles `json:"latency_ms"`
	}
	var report struct {
		Rate, Rounds    int
		RoundRequests   int64 `json:"round_requests"`
		Seconds         float64
		Stopped         *string
		Direct, Through side
		Overhead        percentiles `json:"overhead_ms"`
		Noise           percentiles `json:"noise_ms"`
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&report), out)

	assert.Equal(t, 100, report.Rate)
	require.NotNil(t, report.Stopped)
	assert.Empty(t, *report.Stopped)
	assert.InDelta(t, 2, report.Seconds, deadline.Seconds())
	assert.GreaterOrEqual(t, report.Rounds, 2)
	check := func(s side, url string, counted int64) {
		t.Helper()
		assert.Equal(t, url+"/measured", s.URL)
		assert.Equal(t, map[string]int64{"200": counted}, s.Responses)
		assert.Equal(t, counted, *s.Requests)
		assert.Equal(t, counted, int64(report.Rounds)*report.RoundRequests)
		assert.Equal(t, report.RoundRequests, *s.Warmup)
		assert.Zero(t, *s.Failures)
		assert.NotNil(t, s.Late)
		assert.Empty(t, s.Errors)
		for _, p := range []string{"p50", "p90", "p99"} {
			assert.Positive(t, s.Latency[p], p)
			assert.InDelta(t, report.Through.Latency[p]-report.Direct.Latency[p], report.Overhead[p], 0.0015, p)
			assert.GreaterOrEqual(t, report.Noise[p], 0.0, p)
			assert.Contains(t, report.Noise, p)
		}
	}
	check(report.Direct, url, direct.Load())
	check(report.Through, p.proxy, through.Load())
	assert.Equal(t, through.Load(), p.status().Requests.Total)
}

func TestBenchGivesUpOnATargetThatIsNotThere(t *testing.T) {
	out, errs, code := benchCommand(t, "--target", "http://127.0.0.1:1/", "--duration", "10m")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "equalizer: direct, http://127.0.0.1:1/: all 50 requests failed (connection refused: 50)")
	assert.Contains(t, out, "stopped early: direct")
}

func TestBenchInterruptedPrintsWhatThereIs(t *testing.T) {
	url, direct, _ := counted(t)
	var out bytes.Buffer
	cmd := exec.Command(binary, "bench", "--json", "--target", url+"/measured", "--duration", "10m", "--rate", "50")
	cmd.Stdout = &out
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill() }() // it has ended, if all went well
	await(t, "requests after the warm-up", func() bool { return direct.Load() > 30 })
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait(), "exit code 0")
	var report struct {
		Stopped string
		Direct  struct {
			Requests int
			Latency  *struct{} `json:"latency_ms"`
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &report), out.String())
	assert.Equal(t, "interrupted", report.Stopped)
	// What was under way isn't told of, and a busy machine may have had much under way.
	assert.LessOrEqual(t, int64(report.Direct.Requests), direct.Load())
	assert.Positive(t, report.Direct.Requests)
	assert.NotNil(t, report.Direct.Latency)
}
