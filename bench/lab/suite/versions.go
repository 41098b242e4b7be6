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
func (b *bed) versions(ctx context.Context, found []peers.Peer) []machine.Fact {
	facts := []machine.Fact{{Name: "revision", Value: machine.Revision(ctx)}, {Name: "Go", Value: runtime.Version()}}
	for _, p := range found {
		if p.Version != "" && !p.Variant {
			facts = append(facts, machine.Fact{Name: p.Name, Value: p.Version})
		}
	}
	if b.wrk != nil {
		facts = append(facts, machine.Fact{Name: "wrk", Value: b.wrk.Version(ctx)})
	}
	if b.h2load != nil {
		facts = append(facts, machine.Fact{Name: "h2load", Value: b.h2load.Version(ctx)})
	}
	return append(facts, machine.Fact{Name: "vegeta", Value: load.VegetaVersion()})
}
