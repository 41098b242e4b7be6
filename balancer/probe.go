package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Prober reaches one backend as requests do: with the same connects and the same reader of
// responses. Its errors are for operators, who see the backend's name beside them. Both methods
// return soon after ctx has ended.
type Prober interface {
	// Connect connects, with the TLS handshake if the backend has TLS, and closes the connection.
	Connect(ctx context.Context) error
	// Get asks for path with that Host, and returns the response's status. A response that no
	// client would get is an error.
	Get(ctx context.Context, path, host string) (status int, err error)
}

// HealthSettings are how backends are probed.
type HealthSettings struct {
	// Type is what a probe does.
	Type HealthType
	// Path is what an HTTP probe asks for, with the query if there is one. It is sent as it is: it
	// must start with a slash and have no spaces or control characters.
	Path string
	// Host is an HTTP probe's Host, sent as it is too; "" stands for the first of the backend's
	// Authorities.
	Host string
	// Statuses are those of a healthy backend; none stands for every status below 500.
	Statuses []StatusRange
	// Interval is the longest time from one probe's start to the next one's, above 0. A probe that
	// takes longer is followed by the next at once.
	Interval time.Duration
	// Timeout bounds a whole probe, from the connect to the response, above 0.
	Timeout time.Duration
	// Rise is how many probes in a row must succeed until a backend that is down counts as up, at
	// least 1.
	Rise int
	// Fall is how many in a row must fail until one that is up counts as down, at least 1. A
	// backend that dies is down within Fall * Interval + Timeout, if Timeout is at most Interval.
	Fall int
}

// HealthType is what a probe does to a backend.
type HealthType string

const (
	// HealthHTTP asks for a path and judges the response's status.
	HealthHTTP HealthType = "http"
	// HealthTCP only connects, and makes the handshake if the backend has TLS. Without TLS a
	// process that hangs still passes, since its kernel accepts for it.
	HealthTCP HealthType = "tcp"
)

// ParseHealthType reads a health type's name. The error names the text and what was wanted.
func ParseHealthType(text string) (HealthType, error) {
	switch t := HealthType(text); t {
	case HealthHTTP, HealthTCP:
		return t, nil
	}
	return "", fmt.Errorf("unexpected health type %q; want %s or %s", text, HealthHTTP, HealthTCP)
}

// probe asks a backend once whether it is healthy. host is the backend's own Host. found tells
// operators what came back, err why the backend can't serve.
func (h HealthSettings) probe(ctx context.Context, p Prober, host string) (found string, err error) {
	started := time.Now()
	if h.Type == HealthTCP {
		if err := p.Connect(ctx); err != nil {
			return "", inTime(ctx, err, h.Timeout)
		}
		return "connected in " + since(started), nil
	}
	status, err := p.Get(ctx, h.Path, cmp.Or(h.Host, host))
	if err != nil {
		return "", inTime(ctx, err, h.Timeout)
	}
	found = fmt.Sprintf("%d in %s", status, since(started))
	if !h.accepts(status) {
		return "", fmt.Errorf("%s; want %s", found, h.accepted())
	}
	return found, nil
}

// accepts reports whether the status is that of a healthy backend.
func (h HealthSettings) accepts(status int) bool {
	if len(h.Statuses) == 0 {
		return status < 500
	}
	return slices.ContainsFunc(h.Statuses, func(s StatusRange) bool { return s.Contains(status) })
}

// accepted lists the statuses of a healthy backend.
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

// since is the time from then to now in milliseconds, such as "0.8ms".
func since(then time.Time) string {
	return fmt.Sprintf("%.1fms", time.Since(then).Seconds()*1000)
}

// isOurs reports whether a probe failed because this process or machine has no file descriptor
// left. That tells nothing about the backend. If it counted, all backends would go down at once,
// while the connections that are open still work.
//
// EADDRNOTAVAIL doesn't belong here. It can mean that no local port is left, but also that the
// machine has no IPv6 and the backend is at [::1].
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
