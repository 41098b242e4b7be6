//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
	"gopher-equalizer/config"
)

// most is how much CPU a request may take, over a request with the memory store.
const most = 1.20

// write writes the report.
func write(s settings, proxies []*proxy, facts []machine.Fact, say func(string, ...any)) error {
	started, revision := time.Now().UTC(), machine.Revision(context.Background())
	var text bytes.Buffer
	page(&text, s, proxies, append(facts, machine.Fact{Name: "revision", Value: revision}))
	kept := report.Kept{Command: s.command, Started: started, Revision: revision, Page: text.Bytes()}
	for _, p := range proxies {
		say("%s: %s us a request, %s", p.driver, spread(p.cpu, 1), p.verdict(proxies[0]))
		if p != proxies[0] {
			kept.Bars = append(kept.Bars, p.bar(proxies[0]))
		}
	}
	if err := s.folders.Write(map[string][]byte{"report.md": text.Bytes()}, kept); err != nil {
		return err
	}
	say("the report: %s", filepath.Join(s.folders.All, "report.md"))
	return nil
}

func page(w io.Writer, s settings, proxies []*proxy, facts []machine.Fact) {
	fmt.Fprintf(w, "# What surviving a restart costs\n\nMade on %s with\n\n    %s\n\n| machine | |\n|---|---|\n", time.Now().UTC().Format(time.DateOnly), s.command)
	for _, f := range facts {
		fmt.Fprintf(w, "| %s | %s |\n", f.Name, f.Value)
	}
	fmt.Fprintf(w, `
Full load, each request from a random one of 1,000,000 clients, in %d rounds of %v. Medians, with the
least and the greatest in brackets. CPU is the proxy's, by the kernel's account, in microseconds a
request; the ratio is that over the memory store's, round by round. PostgreSQL's own is apart. Bar: %.2f.

| store | CPU, us | ratio | | requests/s | flushes/s | over their interval | PostgreSQL's CPU, us |
|---|--:|--:|---|--:|--:|--:|--:|
`, s.rounds, s.time, most)
	for _, p := range proxies {
		server := "-"
		if p.driver == config.StorePostgres {
			server = spread(p.server, 1)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %d | %s |\n", p.driver, spread(p.cpu, 1), p.verdict(proxies[0]), spread(p.rates, 0), spread(p.flushes, 2), p.overruns, server)
	}
}

// bar is the ratio to the memory store.
func (p *proxy) bar(memory *proxy) report.Bar {
	ratios := make([]float64, len(p.cpu))
	for i := range ratios {
		ratios[i] = p.cpu[i] / memory.cpu[i]
	}
	over := report.Over(ratios)
	return report.Bar{
		Figure: "CPU per request, " + p.driver, Under: "c = 64, small; limiter 1M keys", Against: memory.driver,
		Ratio: report.Ratio{Value: over.Median, Min: over.Min, Max: over.Max, Rounds: len(ratios)},
		Most:  most, Aim: most, Held: over.Median <= most, Reached: over.Median <= most,
	}
}

// verdict is the ratio, and whether it keeps the bar.
func (p *proxy) verdict(memory *proxy) string {
	if p == memory {
		return "1 | "
	}
	b, held := p.bar(memory), "bar held"
	if !b.Held {
		held = "**missed**"
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f] | %s", b.Value, b.Min, b.Max, held)
}

func spread(values []float64, digits int) string {
	return fmt.Sprintf("%.*f [%.*f, %.*f]", digits, report.Over(values).Median, digits, slices.Min(values), digits, slices.Max(values))
}
