//go:build linux

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// H2load is h2load, of nghttp2, for loads by HTTP/2.
type H2load struct{ program, dir string }

// paths is how many different paths the requests have, so that HPACK's tables don't have them all.
const paths = 1000

// FindH2load looks for h2load on the machine. It gets files of paths in a folder.
func FindH2load(dir string) (*H2load, error) {
	program, err := exec.LookPath("h2load")
	if err != nil {
		return nil, errors.New("h2load is not installed: no HTTP/2")
	}
	for _, size := range []Size{Small, Ten, Mega} {
		var lines strings.Builder
		for n := range paths {
			fmt.Fprintf(&lines, "https://host/%s?n=%d\n", size, n)
		}
		if err := os.WriteFile(filepath.Join(dir, size.file()), []byte(lines.String()), 0o600); err != nil {
			return nil, err
		}
	}
	return &H2load{program, dir}, nil
}

// file is the name of the file of paths.
func (s Size) file() string { return string(s) + ".txt" }

// Version is h2load's own name for itself.
func (h *H2load) Version(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, h.program, "--version").Output()
	if err != nil {
		return "unknown: " + err.Error()
	}
	return strings.TrimSpace(string(out))
}

// requestsFile is where h2load writes a line for each request.
const requestsFile = "requests.tsv"

// Prove checks that a target responds by HTTP/2.
func (h *H2load) Prove(ctx context.Context, target string) error {
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	transport.Protocols.SetHTTP2(true)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+target+"/"+string(Small), nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		return fmt.Errorf("by HTTP/2 it responds with %s %s", response.Proto, response.Status)
	}
	return nil
}

// Command is h2load's command line for an order, as reports show it. It can't send requests from
// clients at random.
func (h *H2load) Command(o Order) []string {
	args := []string{
		"h2load", "-t1", "-c" + strconv.Itoa(o.Connections), "-m" + strconv.Itoa(o.Streams), fmt.Sprintf("-D%dms", o.Time.Milliseconds()),
		"--npn-list=h2", "--groups=X25519", "--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--log-file=" + requestsFile,
	}
	if o.Key == OneKey {
		args = append(args, "-H"+KeyHeader+": client-1")
	}
	return append(args, "-B", "https://"+o.Target, "-i", o.Size.file())
}

// Run keeps o.Streams streams on each of o.Connections connections busy for o.Time.
func (h *H2load) Run(ctx context.Context, o Order) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Time+30*time.Second)
	defer cancel()
	log := filepath.Join(h.dir, requestsFile)
	if err := os.RemoveAll(log); err != nil { // It appends.
		return Outcome{}, err
	}
	cmd := exec.CommandContext(ctx, h.program, h.Command(o)[1:]...)
	cmd.Dir = h.dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return Outcome{}, fmt.Errorf("h2load: %w: %s", err, bytes.TrimSpace(text))
	}
	out, err := summed(string(text), o)
	if err != nil {
		return Outcome{}, err
	}
	lines, err := os.ReadFile(log)
	if err != nil {
		return Outcome{}, err
	}
	if out.Latency, err = logged(string(lines)); err == nil && out.Latency == nil {
		err = fmt.Errorf("h2load: no request was over after %v", o.Time)
	}
	return out, err
}

// What h2load prints at its end.
var (
	finished = regexp.MustCompile(`finished in ([0-9.]+(?:us|ms|s)),`)
	requests = regexp.MustCompile(`requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout`)
	data     = regexp.MustCompile(`traffic: .* \((\d+)\) data`)
	statuses = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// summed reads what h2load prints at its end.
func summed(text string, o Order) (Outcome, error) {
	took, done, status := finished.FindStringSubmatch(text), requests.FindStringSubmatch(text), statuses.FindStringSubmatch(text)
	got := data.FindStringSubmatch(text)
	if took == nil || done == nil || status == nil || got == nil {
		return Outcome{}, fmt.Errorf("h2load printed no sum: %s", strings.TrimSpace(text))
	}
	elapsed, err := time.ParseDuration(took[1])
	if err != nil {
		return Outcome{}, fmt.Errorf("h2load's time: %w", err)
	}
	count := func(digits string) int64 {
		n, _ := strconv.ParseInt(digits, 10, 64) // They are digits.
		return n
	}
	out := Outcome{
		Answered: count(done[1]), Refused: count(status[3]) + count(status[4]), Broken: count(done[2]) + count(done[3]),
		Open: int64(o.Connections * o.Streams), Elapsed: elapsed,
	}
	if o.Size == Mega {
		out.Bodies = float64(count(got[1])) / megaBytes
	}
	return out, nil
}

// logged are the quantiles of the latencies in h2load's lines: when a request began, its status, -1
// for none, and its microseconds.
func logged(lines string) ([]float64, error) {
	var latencies []time.Duration
	for line := range strings.Lines(lines) {
		columns := strings.Split(strings.TrimSpace(line), "\t")
		if len(columns) < 3 {
			return nil, fmt.Errorf("h2load's line %q has %d columns; want 3", line, len(columns))
		}
		micros, err := strconv.ParseInt(columns[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("h2load's line %q: %w", line, err)
		}
		if columns[1] != "-1" {
			latencies = append(latencies, time.Duration(micros)*time.Microsecond)
		}
	}
	return quantiles(latencies), nil
}
