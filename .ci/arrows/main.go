// Command arrows proves that the packages import each other only along the design's
// arrows. It prints one line for each import that breaks one, and then exits 1.
//
//	go run ./.ci/arrows
//
// A folder stands for all below it, and may import what is its own. Of the others:
//
//	limiter, balancer  none
//	config             limiter, balancer: a refill or a strategy name has one parser
//	store              limiter: its record type
//	proxy              limiter, balancer; its proxy/problem is a leaf, and imports none at all
//	api                limiter, balancer, of proxy only proxy/problem; never store
//	bench              all but cmd and what is below it
//	bench/machine      none: what a result was measured on
//	bench/lab          all but cmd; a module of its own, so that what it compares with isn't the product's
//	cmd                all; of bench only the library, so that nothing else is in the binary
//	deploy             none: it holds nothing but tests
//
// A package outside of these folders is refused, and so is a package for tests (storetest,
// pgtest) in anything else but bench/lab, which measures with a real server. What tests import
// is theirs: the limiter's may want a real store.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "arrows:", err)
		os.Exit(1)
	}
}

// run checks the modules; the working directory is the product's root.
func run(out io.Writer) error {
	packages, err := list()
	if err != nil {
		return err
	}
	broken := check(packages)
	for _, line := range broken {
		fmt.Fprintln(out, line)
	}
	if len(broken) > 0 {
		return fmt.Errorf("%d broken", len(broken))
	}
	fmt.Fprintf(out, "arrows: %d packages, none broken\n", len(packages))
	return nil
}
