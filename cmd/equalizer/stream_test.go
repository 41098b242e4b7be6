package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	megabyte  = 1 << 20
	maxMemory = 100 * megabyte
)

// zeros are endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// buildShipped is the binary as it is shipped, without the race detector. The first test that wants
// it builds it.
func buildShipped(t *testing.T) string {
	t.Helper()
	path, err := shipped()
	require.NoError(t, err)
	return path
}

var shipped = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(filepath.Dir(binary), "shipped", "equalizer")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary without the race detector: %w\n%s", err, out)
	}
	return path, nil
})

// Large bodies pass through less than 100 MB of memory. TestGigabyteEachWay has larger ones.
func TestLargeBodiesEachWay(t *testing.T) { passEachWay(t, 256*megabyte) }

// passEachWay passes so many bytes up and down through the binary as it is shipped, since the race
// detector takes memory of its own.
func passEachWay(t *testing.T, size int64) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = io.CopyN(w, zeros{}, size)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d bytes, error %v", n, err)
	}))
	defer backend.Close()
	p := launchBinary(t, buildShipped(t), free("--backend", backend.URL)...)
	resp, err := http.Get(p.proxy + "/")
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, size, n)

	for name, body := range map[string]io.Reader{
		"in chunks":     io.LimitReader(zeros{}, size),
		"with a length": nil,
	} {
		req, err := http.NewRequest("POST", p.proxy+"/", body)
		require.NoError(t, err)
		if body == nil {
			req.Body, req.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), size
		}
		resp, err = http.DefaultClient.Do(req)
		require.NoError(t, err, name)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err, name)
		resp.Body.Close()
		assert.Equal(t, fmt.Sprintf("%d bytes, error <nil>", size), string(text), name)
	}
	http.DefaultClient.CloseIdleConnections()
	peak := p.peakMemory()
	p.stop()
	assert.Less(t, peak, int64(maxMemory), "peak memory")
	t.Logf("peak memory %d MB", peak/megabyte)
}

// peakMemory is the most memory that the process held, in bytes. getrusage would not do: it counts
// the memory of the test, which the process shared before it became another program.
func (p *proxied) peakMemory() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err == nil {
		var kilobytes int64
		_, line, _ := strings.Cut(string(text), "VmHWM:")
		_, err = fmt.Sscan(line, &kilobytes)
		require.NoError(p.t, err)
		return kilobytes * 1024
	}
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	require.NoError(p.t, err, "neither /proc nor ps tells the process's memory")
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	require.NoError(p.t, err)
	return kilobytes * 1024
}

// The events of a stream arrive as they are sent, each before the next one is.
func TestEventStream(t *testing.T) {
	next := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			return // a probe
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for i := range 5 {
			<-next
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	}))
	defer backend.Close()
	p := launch(t, free("--backend", backend.URL)...)
	resp, err := http.Get(p.proxy + "/events")
	require.NoError(t, err, "the header is there before the first event")
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 5 {
		next <- struct{}{}
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("data: %d", i), strings.TrimSpace(line))
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	_, err = lines.ReadByte()
	assert.Equal(t, io.EOF, err)
	p.stop()
}
