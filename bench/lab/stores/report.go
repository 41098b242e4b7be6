//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
	"gopher-equalizer/config"
)

// most is what the CPU of a request may be over that with the memory store.
const most = 1.20

// write writes the report.
func write(s settings, proxies []*proxy, facts []machine.Fact, say func(string, ...any)) error {
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	path := filepath.Join(s.out, "report.md")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	page(file, s, proxies, facts)
	for _, p := range proxies {
		say("%s: %s us a request, %s", p.driver, spread(p.cpu, 1), p.verdict(proxies[0]))
	}
	say("the report: %s", path)
	return file.Close()
}

func page(w io.Writer, s settings, proxies []*proxy, facts []machine.Fact) {
	fmt.Fprintf(w, "# What surviving a restart costs\n\nMade on %s with\n\n    %s\n\n| machine | |\n|---|---|\n", time.Now().UTC().Format(time.DateOnly), s.command)
	for _, f := range facts {
		fmt.Fprintf(w, "| %s | %s |\n", f.Name, f.Value)
	}
	fmt.Fprintf(w, "| revision | %s |\n", machine.Revision(context.Background()))
	fmt.Fprintf(w, `
Full load, each request from a random one of 1,000,000 clients, in %d rounds of %v. Medians, with the least and the greatest in brackets. CPU is the proxy's, by the
kernel's account, in microseconds a request; the ratio is that over the memory store's, round by round. PostgreSQL's own is apart. Bar: %.2f.

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

// verdict is the ratio to the memory store, and whether it keeps the bar.
func (p *proxy) verdict(memory *proxy) string {
	if p == memory {
		return "1 | "
	}
	ratios := make([]float64, len(p.cpu))
	for i := range ratios {
		ratios[i] = p.cpu[i] / memory.cpu[i]
	}
	held := "bar held"
	if report.Over(ratios).Median > most {
		held = "**missed**"
	}
	return spread(ratios, 2) + " | " + held
}

func spread(values []float64, digits int) string {
	return fmt.Sprintf("%.*f [%.*f, %.*f]", digits, report.Over(values).Median, digits, slices.Min(values), digits, slices.Max(values))
}
