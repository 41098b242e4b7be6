package proxy

import (
	"errors"
	"fmt"
	"net"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// This file makes failures of the errors of clients, of backends and of the pool.

// headFailure is the failure of a request whose head could not be read.
func headFailure(err error) error {
	switch {
	case outcome.IsFailure(err), outcome.IsRefusal(err):
		return err
	case err == netconn.ErrTimeout:
		return outcome.HeaderLate.Because(err)
	}
	return outcome.ClientGone.Because(err)
}

// bodyFailure is the failure of a client that didn't send its body as it should have. A body that
// we stopped to read is none.
func bodyFailure(err error) error {
	switch {
	case err == nil, err == netconn.ErrInterrupted:
		return nil
	case outcome.IsFailure(err):
		return err
	case outcome.IsRefusal(err):
		return outcome.BadBody.Because(err)
	case err == netconn.ErrTimeout:
		return outcome.BodyLate.Because(err)
	case err == netconn.ErrTooSlow:
		return outcome.ClientSlow.Because(err)
	}
	return outcome.ClientGone.Because(err)
}

// pickFailure is the failure of a request that no backend can take.
func pickFailure(err error) error {
	switch err {
	case balancer.ErrBusy:
		return outcome.BackendBusy
	case balancer.ErrClientShare:
		return outcome.ClientShare
	}
	return outcome.NoBackend
}

// exchangeFailure is the failure of an exchange that broke. It may have been the client's.
func exchangeFailure(err error) error {
	var timeout net.Error
	switch {
	case outcome.IsFailure(err):
		return err
	case errors.Is(err, netconn.ErrAbandoned):
		return outcome.ClientGone.Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return outcome.BackendLate.Because(err)
	}
	return outcome.BackendBad.Because(err)
}

// byBackend reports whether the backend is to blame for a failure.
func byBackend(failure error) bool {
	return outcome.Explain(failure).Failure.ByBackend()
}

// goneFailure is the failure of a client that takes no more of the response.
func goneFailure(err error) error {
	if err == netconn.ErrTooSlow {
		return outcome.ClientSlow.Because(err)
	}
	return outcome.ClientGone.Because(err)
}

// endedFailure is the failure of a request whose client ended its side while a connection was made.
func endedFailure() error {
	return outcome.ClientGone.Because(errors.New("the client ended its side while a connection was made"))
}

// unretriedFailure is the failure of a request whose client ended its side before a retry.
func unretriedFailure(failure error) error {
	cause := outcome.Explain(failure).Cause
	return outcome.ClientGone.Because(fmt.Errorf("the client ended its side before a retry: %w", cause))
}

// uninformedFailure is the failure of a client that could not be sent an interim response.
func uninformedFailure(err error) error { return outcome.ClientGone.Because(err) }

// largeFailure is the failure of a request whose body turns out to be too large, when so many of
// its bytes were read.
func largeFailure(offset int) error { return outcome.TooLarge(offset) }

// isFailure reports whether an error is a failure already.
func isFailure(err error) bool { return outcome.IsFailure(err) }
