//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
)

// stage is what all runs share: our programs, the sample backends, a folder for everything.
type stage struct {
	dir      string
	built    peers.Built
	wrk      *load.Wrk // nil if there is none
	process  *child.Process
	backends []string
	control  string
	lacking  []string
	folders  int
}

// set sets the stage. What it needs of its own accord must work; what is missing of wrk is a line in
// lacking.
func set(ctx context.Context, caddy bool, say func(string)) (*stage, error) {
	dir, err := os.MkdirTemp("", "equalizer-bench-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir}
	if s.wrk, err = load.FindWrk(dir); err != nil {
		s.lacking = append(s.lacking, err.Error())
	}
	say("building")
	if err = s.build(ctx); err == nil {
		err = s.start()
	}
	if err != nil {
		s.strike()
		return nil, err
	}
	if caddy {
		say("building Caddy, which can take minutes")
		if s.built.Caddy, err = buildCaddy(ctx); err != nil {
			s.lacking = append(s.lacking, err.Error())
		}
	}
	return s, nil
}

// strike ends what set began.
func (s *stage) strike() {
	if s.process != nil {
		s.process.Stop()
	}
	_ = os.RemoveAll(s.dir) // in the system's folder for such things
}

// folder makes a new, empty folder.
func (s *stage) folder() (string, error) {
	s.folders++
	dir := filepath.Join(s.dir, fmt.Sprint(s.folders))
	return dir, os.Mkdir(dir, 0o700)
}

// build makes this revision's programs, as make build does.
func (s *stage) build(ctx context.Context) error {
	err := child.Build(ctx, s.dir, "./cmd/equalizer", "./bench/lab/backend", "./bench/lab/pump")
	if err != nil {
		return err
	}
	s.built = peers.Built{Equalizer: filepath.Join(s.dir, "equalizer"), Pump: filepath.Join(s.dir, "pump"), CaddyVersion: caddyVersion}
	return nil
}

// start starts the backends.
func (s *stage) start() error {
	dir, err := s.folder()
	if err != nil {
		return err
	}
	var hello struct {
		Backends []string
		Control  string
	}
	s.process, err = child.Start(child.Program{
		Path: filepath.Join(s.dir, "backend"), Dir: dir,
		Hello: func(r io.Reader) error { return json.NewDecoder(r).Decode(&hello) },
	})
	s.backends, s.control = hello.Backends, hello.Control
	return err
}

// counts are the requests that each backend got so far.
func (s *stage) counts(ctx context.Context) ([]int64, error) {
	var c struct{ Requests []int64 }
	text, err := get(ctx, "http://"+s.control+"/counts")
	if err != nil {
		return nil, fmt.Errorf("ask the backends for their counts: %w: %s", err, s.process.LastWords())
	}
	return c.Requests, json.Unmarshal(text, &c)
}

// settled are the counts once they were the same so many times, 10 ms apart: a load that has ended may have left requests
// on their way.
func (s *stage) settled(ctx context.Context, times int) ([]int64, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last, err := s.counts(ctx)
	for same := 0; err == nil && same < times; {
		<-tick.C
		var now []int64
		now, err = s.counts(ctx)
		if same++; !slices.Equal(now, last) {
			same = 0
		}
		last = now
	}
	return last, err
}

func sum(counts []int64) int64 {
	var total int64
	for _, c := range counts {
		total += c
	}
	return total
}

// get is one request on a connection of its own. Anything but a 200 is an error.
func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	answer, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, answer.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
