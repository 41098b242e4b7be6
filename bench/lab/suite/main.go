//go:build linux

// Command suite compares this proxy with others on this machine, side by side: the same work, the
// same load, the same minute. bench/README.md explains what it measures and how to read it.
//
//	make bench         # a few minutes
//	make bench-full    # the whole matrix
package main

import "gopher-equalizer/bench/lab/program"

func main() { suite().Main() }

func suite() program.Program[settings] {
	return program.Program[settings]{Name: "bench", Usage: usage, Parse: parse, Do: compare}
}
