package outcome

import (
	"errors"
	"net"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
)

// This file makes failures of the errors of clients, of backends and of the pool.

// OfHead is the failure of a request whose head could not be read.
func OfHead(err error) error {
	switch {
	case IsFailure(err), IsRefusal(err):
		return err
	case err == netconn.ErrTimeout:
		return HeaderLate.Because(err)
	}
	return ClientGone.Because(err)
}

// OfBody is the failure of a client that didn't send its body as it should have. A body that we
// stopped to read is none.
func OfBody(err error) error {
	switch {
	case err == nil, err == netconn.ErrInterrupted:
		return nil
	case IsFailure(err):
		return err
	case IsRefusal(err):
		return BadBody.Because(err)
	case err == netconn.ErrTimeout:
		return BodyLate.Because(err)
	case err == netconn.ErrTooSlow:
		return ClientSlow.Because(err)
	}
	return ClientGone.Because(err)
}

// OfPick is the failure of a request that no backend can take.
func OfPick(err error) error {
	switch err {
	case balancer.ErrBusy:
		return BackendBusy
	case balancer.ErrClientShare:
		return ClientShare
	case balancer.ErrQueueFull:
		return QueueFull
	case balancer.ErrQueueTimeout:
		return QueueLate
	case balancer.ErrLeft:
		return ClientGone.Because(err)
	}
	return NoBackend
}

// OfExchange is the failure of an exchange that broke. It may have been the client's.
func OfExchange(err error) error {
	var timeout net.Error
	switch {
	case IsFailure(err):
		return err
	case errors.Is(err, netconn.ErrAbandoned):
		return ClientGone.Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return BackendLate.Because(err)
	}
	return BackendBad.Because(err)
}

// OfResponse is the failure of a client that takes no more of the response.
func OfResponse(err error) error {
	if err == netconn.ErrTooSlow {
		return ClientSlow.Because(err)
	}
	return ClientGone.Because(err)
}

// FaultOf is how the backend broke an attempt that failed over a connection; balancer.NoFault if it
// wasn't the backend.
func FaultOf(failure error) balancer.Fault {
	why := Explain(failure)
	switch {
	case balancer.IsOurs(why.Cause):
		return balancer.NoFault
	case why.Failure == BackendBad:
		return balancer.Broke
	case why.Failure == BackendLate:
		return balancer.Late
	}
	return balancer.NoFault
}

// ByBackend reports whether the backend is to blame for a failure.
func ByBackend(failure error) bool {
	f := Explain(failure).Failure
	return f == BackendBad || f == BackendLate
}
