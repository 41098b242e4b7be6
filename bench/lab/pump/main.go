//go:build linux

// Command pump is the floor that no proxy can get under. It moves bytes between clients and
// backends, knows nothing of HTTP, and adds nothing.
//
//	pump -listen 127.0.0.1:8000 127.0.0.1:8081 127.0.0.1:8082
//
// Each connection gets the next backend for its whole life. There is one thread, one epoll
// instance, one buffer, and for each piece of data a read and a write, which any proxy must do.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to accept on")
	flag.Parse()
	if err := run(*listen, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pump:", err)
		os.Exit(1)
	}
}

func run(listen string, backends []string) error {
	runtime.LockOSThread()
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	p, err := newPump(ln.(*net.TCPListener), backends)
	if err != nil {
		return err
	}
	return p.serve()
}
