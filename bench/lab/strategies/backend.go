//go:build linux

package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// workers is how many requests a backend serves at a time. The others wait.
const workers = 16

// backend serves each request in about the same time.
type backend struct {
	*httptest.Server
	mean time.Duration
	free chan struct{}

	mu   sync.Mutex
	took []time.Duration
}

type backends []*backend

func startBackends(means ...time.Duration) (all backends) {
	for _, mean := range means {
		b := &backend{mean: mean, free: make(chan struct{}, workers)}
		b.Server = httptest.NewServer(b)
		all = append(all, b)
	}
	return all
}

// ServeHTTP takes half of the mean and, on average, as much again.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		return
	}
	began := time.Now()
	b.free <- struct{}{}
	time.Sleep(b.mean/2 + time.Duration(rand.ExpFloat64()*float64(b.mean/2)))
	<-b.free
	b.mu.Lock()
	b.took = append(b.took, time.Since(began))
	b.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

func (all backends) addresses() (at []string) {
	for _, b := range all {
		at = append(at, strings.TrimPrefix(b.URL, "http://"))
	}
	return at
}

func (all backends) close() {
	for _, b := range all {
		b.Close()
	}
}

// forget forgets what was served so far.
func (all backends) forget() {
	for _, b := range all {
		b.mu.Lock()
		b.took = nil
		b.mu.Unlock()
	}
}

// seen is what a backend has served, with latencies in milliseconds.
type seen struct {
	requests  int
	mean, p99 float64
}

func (all backends) seen() (each []seen) {
	for _, b := range all {
		b.mu.Lock()
		took := slices.Clone(b.took)
		b.mu.Unlock()
		s := seen{requests: len(took)}
		if len(took) > 0 {
			slices.Sort(took)
			var sum time.Duration
			for _, t := range took {
				sum += t
			}
			s.mean = (sum / time.Duration(len(took))).Seconds() * 1000
			s.p99 = took[(len(took)-1)*99/100].Seconds() * 1000
		}
		each = append(each, s)
	}
	return each
}
