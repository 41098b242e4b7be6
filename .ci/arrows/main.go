// Command arrows checks that the packages import each other only along the design's arrows. It
// prints one line for each other import, and then exits 1.
//
//	go run ./.ci/arrows
//
// A folder stands for all packages below it, which may import each other. Of the other folders they
// may import:
//
//	limiter            none
//	balancer           store/blob, which has the errors of blobs and imports none, and proxy/meter,
//	                   which counts and imports none
//	config             the parsers: limiter/gcra, balancer, proxy/identity, proxy/rewrite, proxy/route;
//	                   and proxy/regular, which reads files
//	store              limiter: its record type, and limiter/lease: the ledger of shared buckets
//	proxy              limiter, balancer; of its packages outcome imports balancer, certs and
//	                   certs/acme store/blob, and the others none outside of proxy
//	api                limiter, balancer, of proxy only proxy/problem and proxy/meter; never store
//	bench              all except cmd and what is below bench
//	bench/machine      none: what a result was measured on
//	bench/lab          all except cmd; it is a module of its own, to keep its dependencies from the product
//	cmd                all; of bench only the library, so that nothing else is in the binary
//	deploy             none: it has only tests
//
// A package outside of these folders is refused. Packages for tests (storetest, pgtest) may be
// imported by bench/lab only, which measures with a real server. Imports of tests aren't checked:
// the limiter's tests may want a real store.
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
