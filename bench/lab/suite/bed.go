//go:build linux

package main

import (
	"context"
	"slices"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

// bed is shared by all runs: our programs, the sample backends, a folder for everything.
type bed struct {
	*testbed.Bed
	*testbed.Backends
	built  peers.Built
	wrk    *load.Wrk    // nil if there is none
	h2load *load.H2load // nil if there is none, or no load for it
	// certificate is the file of the one by which peers speak TLS; empty if no load is by TLS.
	certificate string
	lacking     []string
}

// open builds and starts what all runs share. What can't be built or started is an error. wrk,
// h2load and Caddy may be missing: then there is a line in lacking.
func open(ctx context.Context, s settings, say func(string)) (*bed, error) {
	shared, err := testbed.Open("bench")
	if err != nil {
		return nil, err
	}
	b := &bed{Bed: shared}
	say("building")
	if err := b.build(ctx); err != nil {
		b.Close()
		return nil, err
	}
	if s.byTLS() {
		if b.certificate, err = peers.NewCertificate(b.Dir); err != nil {
			b.Close()
			return nil, err
		}
	}
	if b.wrk, err = load.FindWrk(b.Dir); err != nil {
		b.lacking = append(b.lacking, err.Error())
	}
	if slices.ContainsFunc(s.shapes, shape.multiplexes) {
		if b.h2load, err = load.FindH2load(b.Dir); err != nil {
			b.lacking = append(b.lacking, err.Error())
		}
	}
	if s.caddy {
		say("building Caddy, which can take minutes")
		if b.built.Caddy, err = buildCaddy(ctx); err != nil {
			b.lacking = append(b.lacking, err.Error())
		}
	}
	return b, nil
}

// build builds this revision's programs, and starts the backends.
func (b *bed) build(ctx context.Context) (err error) {
	if err = b.Build(ctx, testbed.Equalizer, testbed.Backend, testbed.Pump); err != nil {
		return err
	}
	b.built = peers.Built{Equalizer: b.Program(testbed.Equalizer), Pump: b.Program(testbed.Pump), CaddyVersion: caddyVersion}
	b.Backends, err = b.Bed.Backends()
	return err
}

func sum(counts []int64) int64 {
	var total int64
	for _, c := range counts {
		total += c
	}
	return total
}
