//go:build linux

package main

import (
	"slices"

	"gopher-equalizer/bench/lab/peers"
)

// turn are the cells of a round, from 0, in their order. Each round begins with another load, and every second one goes
// backwards, so that nobody always follows the same. Those that do the same work stay next to each other: their figures are held
// against each other. The base line and the floor, to which nothing is, sit out every second round.
func (c *comparison) turn(round int) []cell {
	first := round * len(c.cells) / c.rounds
	for first > 0 && c.cells[first-1].same(c.cells[first]) {
		first--
	}
	cells := slices.Concat(c.cells[first:], c.cells[:first])
	if round%2 == 1 {
		slices.Reverse(cells)
		cells = slices.DeleteFunc(cells, func(c cell) bool { return c.Role == peers.Base || c.Role == peers.Floor })
	}
	return cells
}

// same reports whether two cells are the same work for different proxies.
func (c cell) same(other cell) bool { return c.Load == other.Load && c.Limiter == other.Limiter }

// runs are how many all rounds have.
func (c *comparison) runs() (runs int) {
	for round := range c.rounds {
		runs += len(c.turn(round))
	}
	return runs
}
