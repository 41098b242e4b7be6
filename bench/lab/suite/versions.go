//go:build linux

package main

import (
	"context"
	"runtime"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/machine"
)

// versions are those of everything that took part.
func versions(ctx context.Context, found []peers.Peer, wrk *load.Wrk) []machine.Fact {
	facts := []machine.Fact{{Name: "revision", Value: machine.Revision(ctx)}, {Name: "Go", Value: runtime.Version()}}
	for _, p := range found {
		if p.Version != "" && !p.Variant {
			facts = append(facts, machine.Fact{Name: p.Name, Value: p.Version})
		}
	}
	if wrk != nil {
		facts = append(facts, machine.Fact{Name: "wrk", Value: wrk.Version(ctx)})
	}
	return append(facts, machine.Fact{Name: "vegeta", Value: load.VegetaVersion()})
}
