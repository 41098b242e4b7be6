package config

import "strings"

// socketScheme begins the address of a listener on a unix socket.
const socketScheme = "unix://"

// Network is what package net wants for the address of a listener: "tcp" and HOST:PORT, or, for
// unix:///PATH, "unix" and the path. It checks nothing.
func Network(listen string) (network, address string) {
	if path, found := strings.CutPrefix(listen, socketScheme); found {
		return "unix", path
	}
	return "tcp", listen
}
