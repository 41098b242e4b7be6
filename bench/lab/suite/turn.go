//go:build linux

package main

import (
	"slices"

	"gopher-equalizer/bench/lab/peers"
)

// turn returns the cells of a round, from 0, in their order. Each round begins with another load,
// and every second one goes backwards, so that no cell always follows the same one. Cells that do
// the same work stay next to each other, since their figures are compared. Cells of one kind sit
// out the same rounds.
func (c *comparison) turn(round int) []cell {
	first := round * len(c.cells) / c.rounds
	for first > 0 && c.cells[first-1].same(c.cells[first]) {
		first--
	}
	cells := slices.Concat(c.cells[first:], c.cells[:first])
	if round%2 == 1 {
		slices.Reverse(cells)
	}
	return slices.DeleteFunc(cells, func(cell cell) bool { return round%c.roundsOf(cell) != 0 })
}

// roundsOf is in which rounds a cell takes part: each, or every second one, and so on. The base
// line and the floor, to which no ratio is taken, are in every second. Those of a step are in each.
func (c *comparison) roundsOf(cell cell) int {
	switch {
	case cell.Role == peers.Base, cell.Role == peers.Floor:
		return 2
	case cell.target.Variant && cell.Load.After == 0:
		return c.variantsEvery
	}
	return 1
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
