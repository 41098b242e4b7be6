// Command backend runs the backends of the side-by-side suite. They respond as fast as they can,
// and count their requests.
//
//	backend -n 3
//
// It prints one line of JSON with its addresses, a Hello, and serves until it is ended.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

// Hello has the addresses of the backends for the program that started them. All are HOST:PORT.
type Hello struct {
	Backends []string `json:"backends"`
	Control  string   `json:"control"` // responds to GET /counts with Counts
}

func main() {
	n := flag.Int("n", 3, "the number of backends")
	flag.Parse()
	if err := run(*n); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func run(n int) error {
	ended := make(chan error, n+1)
	serve := func(handler fasthttp.RequestHandler) (string, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		server := &fasthttp.Server{Handler: handler, NoDefaultServerHeader: true}
		go func() { ended <- server.Serve(ln) }()
		return ln.Addr().String(), nil
	}
	hello, err := start(make([]site, n), serve)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(hello); err != nil {
		return err
	}
	return <-ended
}

// start serves every backend, and the counts of all of them.
func start(sites []site, serve func(fasthttp.RequestHandler) (string, error)) (Hello, error) {
	var hello Hello
	bodies := newBodies()
	for i := range sites {
		address, err := serve(sites[i].handler(bodies))
		if err != nil {
			return Hello{}, err
		}
		hello.Backends = append(hello.Backends, address)
	}
	control, err := serve(counts(sites))
	hello.Control = control
	return hello, err
}
