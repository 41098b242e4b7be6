package adminclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"gopher-equalizer/api"
)

// tlsWanted is the type of the problem that the API responds to what comes in clear where it speaks
// TLS.
const tlsWanted = "urn:gopher-equalizer:tls-wanted"

// Problem is a call that the API refused.
type Problem struct {
	// Status is that of HTTP.
	Status int `json:"status"`
	// Type names the kind, such as "urn:gopher-equalizer:no-backend".
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Reason is why the process isn't ready, if that is the problem.
	Reason string `json:"reason"`
	// Mistakes are those of a configuration that can't be used.
	Mistakes api.Mistakes `json:"mistakes"`
	// RetryAfter is how long to wait before asking again; 0 if asking again is of no use.
	RetryAfter time.Duration `json:"-"`
	// Body is the problem as the API sent it.
	Body []byte `json:"-"`
}

// Error is what is wrong, for people.
func (p *Problem) Error() string { return p.Detail }

// ErrNobody is that nothing listens where the API should be.
var ErrNobody = errors.New("nothing listens")

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Error() string { return h.error.Error() + "; " + h.hint }

func (h hinted) Unwrap() error { return h.error }

// reloadHint is about a certificate that was renewed, and that no authority vouches for.
const reloadHint = "If it has changed in the file, the process still has the former one: send it SIGHUP"

// unreachable is the error of a call that got no whole response.
func (c *Client) unreachable(ctx context.Context, err error) error {
	at := c.Address()
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w on %s: is equalizer running? Give its address by --admin, or its file by -c", ErrNobody, at)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s is not for this user: run this as root, or as a member of the socket's group", at)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no response from the admin API at %s in time", at)
	case errors.As(err, &untrusted) && errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("the certificate of %s isn't for that name, but for %v: want one of these in --admin https://NAME:PORT. "+reloadHint,
			at, namesOf(untrusted.UnverifiedCertificates[0]))
	case errors.As(err, &untrusted):
		return fmt.Errorf("the certificate of %s isn't trusted: %w; give it, or its authority's, by --ca, or the file that names it by -c. "+reloadHint,
			at, untrusted.Err)
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%s doesn't speak TLS: give its address by --admin http://%s", at, at)
	case strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%s doesn't speak HTTP: does it speak TLS, or is it another program's? Give the admin API's address by --admin, "+
			"with https:// in front if it speaks TLS, or its file by -c", at)
	}
	return fmt.Errorf("the admin API at %s can't be reached: %w", at, cause(err))
}

// cause is an error without the method and the URL, which net/http adds.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// refused is the error of a response that is no success.
func (c *Client) refused(response *http.Response, body []byte) error {
	problem := &Problem{RetryAfter: retryAfter(response), Body: body}
	if mediaType(response) != "application/problem+json" || json.Unmarshal(body, problem) != nil || problem.Detail == "" {
		return c.another(response)
	}
	problem.Status = response.StatusCode
	if problem.Type == tlsWanted {
		return hinted{problem, "give its address by --admin https://" + c.Address() + ", or its file by -c"}
	}
	if problem.Status == http.StatusUnauthorized {
		return hinted{problem, c.tokenHint()}
	}
	return problem
}

// another is the error of a response that isn't of the API.
func (c *Client) another(response *http.Response) error {
	return fmt.Errorf("%s responded %d, which isn't of equalizer's admin API: is it the proxy's port, or another program's? "+
		"Give the admin API's address by --admin, or its file by -c", c.Address(), response.StatusCode)
}

// tokenHint is what to do about a 401.
func (c *Client) tokenHint() string {
	if c.settings.Token == "" {
		return "set EQUALIZER_ADMIN_TOKEN to the token of that process, or give a file that has it by --token-file"
	}
	return "the token is from " + c.settings.TokenFrom
}
