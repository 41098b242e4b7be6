//go:build !unix

package main

import (
	"errors"
	"net"
)

func listenUnix(string) (net.Listener, error) {
	return nil, errors.New("there are no unix sockets for listeners on this system; want HOST:PORT")
}
