package main

import "gopher-equalizer/config"

// fewProcs is how many processors are enough under little load. A thread that waits for a disk to
// sync keeps its processor for milliseconds. If that is the only one, all connections wait with it,
// so a store on disk gets a second.
func fewProcs(driver string) int {
	if driver == config.StoreBolt {
		return 2
	}
	return 1
}

// storeDriver is that of the configuration in force, or of the first one before there is any. A
// reload may change it as long as no store is open.
func (p *process) storeDriver() string {
	if now := p.current.Load(); now != nil {
		return now.Config.Store.Driver
	}
	return p.from.first.Config.Store.Driver
}
