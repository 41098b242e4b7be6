package acme

import (
	"net"
	"strconv"
	"sync"
)

// plug is a socket on the loopback device that accepts connections and closes them. certmagic
// listens for challenges unless somebody does so already at the address that it is told.
type plug struct {
	net.Listener
	running sync.WaitGroup
}

func newPlug() (*plug, error) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	p := &plug{Listener: ln}
	p.running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	})
	return p, nil
}

func (p *plug) address() (host string, port int) {
	host, text, _ := net.SplitHostPort(p.Addr().String())
	port, _ = strconv.Atoi(text)
	return host, port
}

// close gives the address up.
func (p *plug) close() {
	_ = p.Close()
	p.running.Wait()
}
