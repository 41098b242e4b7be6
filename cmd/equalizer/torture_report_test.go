package main

import (
	"context"
	_ "embed" // the template
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/machine"
)

//go:embed testdata/torture.md.tmpl
var torturePage string

// tortureReport is the result of all scenarios.
type tortureReport struct {
	Command  string
	Seed     uint64
	Rounds   int
	Started  time.Time
	Took     time.Duration
	Machine  []machine.Fact
	Revision string
	Failed   bool
	Interval time.Duration

	Results []*tortureResult
}

// tortureResult is the result of a scenario.
type tortureResult struct {
	Scenario string
	Rounds   int
	Took     time.Duration
	started  time.Time

	admitted, refused atomic.Int64

	Buckets int // how many were held against the bound, over all rounds
	Gave    int // of them a crash gave something back
	Worst   float64
	Bound   float64 // what that one might have given back
	// All Acknowledged admin writes were in the store, and Refused ones changed nothing. Each of
	// InDoubt was one or the other.
	Acknowledged, Refused, InDoubt int64
}

func newTortureReport(seed uint64, rounds int) *tortureReport {
	return &tortureReport{
		Command: fmt.Sprintf("make torture ARGS=\"-rounds %d -seed %d\"", rounds, seed),
		Seed:    seed, Rounds: rounds, Started: time.Now(), Interval: flushInterval, Machine: machine.Facts(), Revision: machine.Revision(context.Background()),
	}
}

// row adds a scenario, in the order in which they run.
func (r *tortureReport) row(scenario string) *tortureResult {
	result := &tortureResult{Scenario: scenario}
	r.Results = append(r.Results, result)
	return result
}

// found notes what a crash gave back to one client, and what it might have.
func (r *tortureResult) found(regained, bound float64) {
	r.Buckets++
	if regained > grain {
		r.Gave++
	}
	if regained > r.Worst {
		r.Worst, r.Bound = regained, bound
	}
}

func (r *tortureResult) end(operators []*operator) {
	r.Took = time.Since(r.started)
	for _, o := range operators {
		r.Acknowledged += o.acknowledged
		r.Refused += o.refused
		r.InDoubt += o.doubted
	}
}

// Admitted and Limited count the requests. All others had no response when their process was
// killed.
func (r *tortureResult) Admitted() int64 { return r.admitted.Load() }

// Limited counts the 429s.
func (r *tortureResult) Limited() int64 { return r.refused.Load() }

// write writes the report, if one was asked for.
func (r *tortureReport) write(t *testing.T) {
	r.Took, r.Failed = time.Since(r.Started), t.Failed()
	var page strings.Builder
	require.NoError(t, template.Must(template.New("torture").Funcs(template.FuncMap{
		"seconds": func(d time.Duration) string { return d.Round(time.Second).String() },
		"version": runtime.Version,
	}).Parse(torturePage)).Execute(&page, r))
	t.Log("\n" + page.String())
	for _, folder := range r.folders() {
		dir := filepath.Join("..", "..", folder) // tests run in their package's folder
		require.NoError(t, os.MkdirAll(dir, 0o755))
		assert.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte(page.String()), 0o644))
	}
}

// folders are those that the report was asked for in, from the module's.
func (r *tortureReport) folders() (folders []string) {
	if torment.report != "" {
		folders = append(folders, torment.report)
	}
	if torment.results {
		folders = append(folders, filepath.Join("bench", "results", r.Started.Format(time.DateOnly)+"-torture"))
	}
	return folders
}
