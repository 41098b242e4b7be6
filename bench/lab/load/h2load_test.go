//go:build linux

package load

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeH2load is a script in place of h2load.
func fakeH2load(t *testing.T, script string) (h *H2load, dir string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/h2load", []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	h, err := FindH2load(dir)
	require.NoError(t, err)
	return h, dir
}

const h2loadsSum = `
finished in 2.01s, 52352.50 req/s, 6.30MB/s
requests: 104705 total, 105705 started, 104705 done, 104702 succeeded, 3 failed, 2 errored, 0 timeout
status codes: 104700 2xx, 2 3xx, 1 4xx, 2 5xx
traffic: 12.6MB (13213124) total, 1.9MB (1990000) headers (space savings 60.1%), 10.00MB (10485760) data
`

func order() Order {
	return Order{Shape: Shape{Connections: 100, Streams: 10, Size: Ten, TLS: true}, Key: OneKey, Target: "h:1", Time: 1500 * time.Millisecond}
}

func TestH2loadsSummary(t *testing.T) {
	h, dir := fakeH2load(t, "printf '1\\t200\\t1500\\n2\\t-1\\t7\\n3\\t200\\t2500\\n' >requests.tsv; cat <<END\n"+h2loadsSum+"END\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, requestsFile), []byte("of another run\n"), 0o600))
	out, err := h.Run(t.Context(), order())
	require.NoError(t, err)
	assert.Equal(t, []float64{1.5, 2.5}, []float64{out.Latency[0], out.Latency[len(out.Latency)-1]})
	out.Latency = nil
	assert.Equal(t, Outcome{Answered: 104705, Refused: 3, Broken: 2, Open: 1000, Elapsed: 2010 * time.Millisecond}, out)
}

// Large responses that have come in part count by that part.
func TestH2loadsBytes(t *testing.T) {
	h, _ := fakeH2load(t, "echo '1\t200\t1500' >requests.tsv; cat <<END\n"+h2loadsSum+"END\n")
	o := order()
	o.Size = Mega
	out, err := h.Run(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, []float64{10, 10}, []float64{out.Bodies, out.Work()})
	assert.Equal(t, 7.0, Outcome{Answered: 7}.Work())
}

func TestH2loadThatFails(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		h, _ := fakeH2load(t, script)
		_, err := h.Run(t.Context(), order())
		assert.ErrorContains(t, err, want)
	}
	f("echo no such host >&2; exit 1", "exit status 1: no such host")
	f("echo starting", "h2load printed no sum: starting")
	f("cat <<END\n"+h2loadsSum+"END\n", "requests.tsv: no such file")
	f("printf '1\t-1\t7\n' >requests.tsv; cat <<END\n"+h2loadsSum+"END\n", "no request was over after 1.5s")
	f("echo 7 >requests.tsv; cat <<END\n"+h2loadsSum+"END\n", "has 1 columns; want 3")
}

func TestH2loadsCommandLine(t *testing.T) {
	h := &H2load{}
	const want = "h2load -t1 -c100 -m10 -D1500ms --npn-list=h2 --groups=X25519 --tls13-ciphers=TLS_AES_128_GCM_SHA256 --log-file=requests.tsv -HX-Api-Key: client-1 -B https://h:1 -i 10k.txt"
	assert.Equal(t, want, strings.Join(h.Command(order()), " "))
	o := order()
	o.Key = NoKey
	assert.NotContains(t, strings.Join(h.Command(o), " "), "-H")
}

func TestH2loadHasManyPaths(t *testing.T) {
	_, dir := fakeH2load(t, "")
	text, err := os.ReadFile(filepath.Join(dir, "small.txt"))
	require.NoError(t, err)
	lines := strings.Fields(string(text))
	assert.Len(t, lines, paths)
	assert.Equal(t, "https://host/small?n=999", lines[999])
}

func TestNoH2load(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := FindH2load(t.TempDir())
	assert.EqualError(t, err, "h2load is not installed: no HTTP/2")
}
