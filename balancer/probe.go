package balancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Prober reaches one backend as requests do: with the same connects and the same reader of
// responses. Its errors are for operators, who see the backend's name beside them. Connect and Ask
// return soon after ctx has ended.
type Prober interface {
	// Connect connects, with the TLS handshake if the backend has TLS, and closes the connection. A
	// port above 0 is connected to instead of the backend's own.
	Connect(ctx context.Context, port int) error
	// Ask sends a request, and reads its response. A response that no client would get is an error.
	Ask(ctx context.Context, r ProbeRequest) (ProbeResponse, error)
	// Retire is called when the backend was removed, once no new request goes to it. Requests may
	// still be under way. Nothing of the Prober may stay once they have ended.
	Retire()
}

// ProbeRequest is what an HTTP probe asks for. It is sent as it is: nothing in it may have control
// characters, and Method, Path and the names of Fields no spaces.
type ProbeRequest struct {
	// Port is connected to instead of the backend's own; 0 is that one.
	Port int
	// Method is "GET", or another one without a body.
	Method string
	// Path starts with a slash, and has the query if there is one.
	Path string
	Host string
	// Fields are more header fields.
	Fields []ProbeField
	// Body is how many bytes of the response's body are wanted, and Field the name of the field of
	// its header that is; "" is none.
	Body  int
	Field string
}

// ProbeField is a header field.
type ProbeField struct{ Name, Value string }

// ProbeResponse is a response to a ProbeRequest.
type ProbeResponse struct {
	Status int
	// Body is the beginning of the body, as long as it was wanted and as it came.
	Body []byte
	// Field is the value of the field that was wanted, of the first one if there are several; "" if
	// there is none.
	Field string
}

// HealthSettings are how backends are probed.
type HealthSettings struct {
	// Type is what a probe does.
	Type HealthType
	// Port is probed instead of the backend's own; 0 is that one.
	Port int
	// Method, Path, Host and Fields are what an HTTP probe sends: see ProbeRequest. "" stands for
	// "GET", and as Host for the first of the backend's Authorities.
	Method, Path, Host string
	Fields             []ProbeField
	// Statuses are those of a healthy backend; none stands for every status below 500.
	Statuses []StatusRange
	// Body is found in the first MaxProbedBody bytes of a healthy backend's response; nil isn't
	// looked for.
	Body *regexp.Regexp
	// AdviceField is the name of the response's field in which a backend may advise how much it
	// should get: see Advice. With "" nobody is asked.
	AdviceField string
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

// MaxProbedBody is how much of a response's body HealthSettings.Body looks at, in bytes.
const MaxProbedBody = 64 << 10

// finding is the result of a probe.
type finding struct {
	// made reports whether the probe of a Change was made, to its end.
	made bool
	// what tells operators what came back, err why the backend can't serve.
	what string
	err  error
	took time.Duration
	// refused is what was wanted of a response instead; "" if it is that of a healthy backend.
	refused string
	// advice is what the backend advised; nil if it wasn't asked, or isn't healthy.
	advice *Advice
}

// probeInTime probes a backend once, for Timeout at most.
func (h HealthSettings) probeInTime(ctx context.Context, b *Backend) finding {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	return h.probe(ctx, b.prober, b.authority)
}

// probe asks a backend once whether it is healthy. host is the backend's own Host.
func (h HealthSettings) probe(ctx context.Context, p Prober, host string) (f finding) {
	started := time.Now()
	if h.Type == HealthTCP {
		f.what, f.err = "connected", p.Connect(ctx, h.Port)
	} else {
		f = h.ask(ctx, p, host)
	}
	f.took = time.Since(started)
	if f.err != nil {
		f.err = inTime(ctx, f.err, h.Timeout)
		return f
	}
	f.what = fmt.Sprintf("%s in %.1fms", f.what, f.took.Seconds()*1000)
	if refused := f.refused; refused != "" {
		f.err = fmt.Errorf("%s; want %s", f.what, refused)
	}
	return f
}

// ask sends an HTTP probe, and judges its response.
func (h HealthSettings) ask(ctx context.Context, p Prober, host string) (f finding) {
	request := ProbeRequest{Port: h.Port, Method: cmp.Or(h.Method, "GET"), Path: h.Path, Host: cmp.Or(h.Host, host), Fields: h.Fields, Field: h.AdviceField}
	if h.Body != nil {
		request.Body = MaxProbedBody
	}
	response, err := p.Ask(ctx, request)
	if err != nil {
		return finding{err: err}
	}
	f.what = strconv.Itoa(response.Status)
	switch {
	case !h.accepts(response.Status):
		f.refused = h.accepted()
	case h.Body != nil && !h.Body.Match(response.Body):
		f.refused = fmt.Sprintf("a body with %s, in its first %d bytes", h.Body, MaxProbedBody)
	case h.AdviceField != "":
		f.advice = &Advice{}
		if *f.advice, err = ParseAdvice(response.Field); err != nil {
			f.what += fmt.Sprintf(" with %s: %v,", h.AdviceField, err)
		}
	}
	return f
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

// IsOurs reports whether a connect failed because this process or machine has no file descriptor
// left. That tells nothing about the backend. If it counted, all backends would go down at once,
// while the connections that are open still work.
//
// EADDRNOTAVAIL doesn't belong here. It can mean that no local port is left, but also that the
// machine has no IPv6 and the backend is at [::1].
func IsOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
