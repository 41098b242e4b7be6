package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

// followPause is how long to wait before a stream that has ended is begun again.
const followPause = time.Second

// follow hands the events of a stream to each, until each fails, a signal comes, or the process
// that flags name refuses. Once it was reached, the stream is begun again when it ends, as it does
// by a reload or a restart; began is called every time.
func (f *adminFlags) follow(ctx context.Context, t terminal, path string, began func(*adminclient.Client), each func(adminclient.Event) error) error {
	admin, err := f.client(t.getenv)
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, stop := watchSignals(ctx, t)
	defer stop()
	reached := false
	for {
		err := readStream(ctx, admin, path, func() { reached = true; began(admin) }, each)
		var refused *adminclient.Problem
		switch {
		case ctx.Err() != nil, errors.Is(err, errSeen):
			return nil
		case !reached, errors.As(err, new(eachError)):
			return f.explain(err, t)
		case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
			return f.explain(err, t)
		}
		fmt.Fprintf(t.stderr, "equalizer: %v; trying again\n", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
	}
}

// errSeen ends a stream once enough was seen.
var errSeen = errors.New("enough was seen")

// eachError is an error of who got an event, not of the stream.
type eachError struct{ error }

func (e eachError) Unwrap() error { return e.error }

// readStream reads a stream until it ends.
func readStream(ctx context.Context, admin *adminclient.Client, path string, began func(), each func(adminclient.Event) error) error {
	stream, err := admin.Stream(ctx, path)
	if err != nil {
		return err
	}
	defer stream.Close()
	began()
	for {
		event, err := stream.Next()
		if err != nil {
			return err
		}
		if err := each(event); err != nil {
			return eachError{err}
		}
	}
}
