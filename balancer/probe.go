package balancer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Prober reaches one backend in the way in which requests do: with the same connects, and with
// the same reader of responses. Errors are words for operators, who see the backend's name beside
// them. Both methods return soon after ctx has ended.
type Prober interface {
	// Connect connects, with the TLS handshake if the backend has TLS, and closes the connection.
	Connect(ctx context.Context) error
	// Get asks for path with that Host, and returns the response's status. A response that would
	// not reach a client is an error.
	Get(ctx context.Context, path, host string) (status int, err error)
}

// probe asks the backend once whether it is healthy. found says in words for operators what came
// back; err says why the backend can't serve.
func (b *Backend) probe(ctx context.Context, h HealthSettings) (found string, err error) {
	started := time.Now()
	if h.Type == HealthTCP {
		if err := b.prober.Connect(ctx); err != nil {
			return "", inTime(ctx, err, h.Timeout)
		}
		return "connected in " + since(started), nil
	}
	host := h.Host
	if host == "" {
		host = b.authority
	}
	status, err := b.prober.Get(ctx, h.Path, host)
	if err != nil {
		return "", inTime(ctx, err, h.Timeout)
	}
	found = fmt.Sprintf("%d in %s", status, since(started))
	if !h.accepts(status) {
		return "", fmt.Errorf("%s; want %s", found, h.accepted())
	}
	return found, nil
}

// accepts reports whether the status is one of a backend that is healthy.
func (h HealthSettings) accepts(status int) bool {
	if len(h.Statuses) == 0 {
		return status < 500
	}
	return slices.ContainsFunc(h.Statuses, func(s StatusRange) bool { return s.Contains(status) })
}

// accepted says which statuses those are.
func (h HealthSettings) accepted() string {
	if len(h.Statuses) == 0 {
		return "below 500"
	}
	words := make([]string, len(h.Statuses))
	for i, r := range h.Statuses {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}

// inTime adds the probe's timeout to an error that comes from it.
func inTime(ctx context.Context, err error, timeout time.Duration) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w after %v", err, timeout)
	}
	return err
}

// since writes the time from then to now in milliseconds: "0.8ms".
func since(then time.Time) string {
	return fmt.Sprintf("%.1fms", time.Since(then).Seconds()*1000)
}

// isOurs reports whether a probe failed because this process or machine has no file descriptor
// left. That says nothing of the backend: counting it would take all backends down at once, while
// the connections that are open still work.
//
// EADDRNOTAVAIL is not among these: it is a want of local ports at times, but also how a machine
// without IPv6 answers for [::1].
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
