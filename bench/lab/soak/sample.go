//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"gopher-equalizer/bench/lab/measure"
)

// sample is what the process holds at a moment.
type sample struct {
	At          time.Duration // since the load began
	Resident    int64         // bytes
	Heap        int64         // bytes, including unswept garbage
	Files       int           // descriptors
	Goroutines  int
	Connections int // of clients
	InFlight    int
}

// sampler asks the kernel and, over one connection that it keeps, the process.
type sampler struct {
	pid    int
	admin  string
	client *http.Client
}

// look takes a sample, and leaves its moment to the caller.
func (s *sampler) look(ctx context.Context) (sample, error) {
	var status struct {
		Requests struct {
			Connections int `json:"connections"`
			InFlight    int `json:"in_flight"`
		} `json:"requests"`
		Runtime struct {
			Goroutines int   `json:"goroutines"`
			HeapBytes  int64 `json:"heap_bytes"`
		} `json:"runtime"`
	}
	if err := s.call(ctx, http.MethodGet, "/status", nil, &status); err != nil {
		return sample{}, err
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		return sample{}, err
	}
	resident, err := measure.Tree{s.pid}.Resident()
	return sample{
		Resident: resident, Heap: status.Runtime.HeapBytes, Files: len(files), Goroutines: status.Runtime.Goroutines,
		Connections: status.Requests.Connections, InFlight: status.Requests.InFlight,
	}, err
}

// call calls the admin API. body is JSON, or nil for none. The response is decoded into into.
func (s *sampler) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.admin+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", req.URL, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// watch takes a sample every second until ctx ends.
func (s *sampler) watch(ctx context.Context) ([]sample, error) {
	var all []sample
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		one, err := s.look(context.WithoutCancel(ctx))
		if err != nil {
			return all, err
		}
		one.At = time.Since(start)
		all = append(all, one)
		select {
		case <-ctx.Done():
			return all, nil
		case <-tick.C:
		}
	}
}

// await samples until so accepts a sample, and gives up after patience. It returns the last
// sample in any case.
func (s *sampler) await(ctx context.Context, patience time.Duration, so func(sample) bool) (last sample, is bool, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		if last, err = s.look(ctx); err != nil || so(last) {
			return last, err == nil, err
		}
		select {
		case <-ctx.Done():
			return last, false, ctx.Err()
		case <-end:
			return last, false, nil
		case <-tick.C:
		}
	}
}

// least is the least of what a process holds during a second without load.
func (s *sampler) least(ctx context.Context) (sample, error) {
	var least sample
	_, _, err := s.await(ctx, time.Second, func(now sample) bool {
		if least.Files == 0 {
			least = now
		}
		least.Files, least.Goroutines = min(least.Files, now.Files), min(least.Goroutines, now.Goroutines)
		return false
	})
	return least, err
}
