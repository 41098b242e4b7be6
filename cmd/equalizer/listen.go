package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

const (
	// takenFor is how long a start waits for an address that is taken. A predecessor that is
	// stopping releases it within that time.
	takenFor = 2 * time.Second
	// takenPoll is the time between two attempts.
	takenPoll = 20 * time.Millisecond
)

// listenOn listens on an address, and waits a moment for a predecessor to release it.
func listenOn(ctx context.Context, address string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, takenFor)
	defer cancel()
	poll := time.NewTicker(takenPoll)
	defer poll.Stop()
	for {
		ln, err := net.Listen("tcp", address)
		if err == nil {
			return ln, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			select {
			case <-poll.C:
				continue
			case <-ctx.Done():
			}
		}
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
}
