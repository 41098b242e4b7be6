package bench

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The bounds of a run, which is a measurement and no attack.
const (
	MaxRate     = 10_000           // requests a second
	MaxDuration = 10 * time.Minute // of a run
	MaxTimeout  = time.Minute      // of a request
	MaxRequests = 1_000_000        // of a run, to both sides together
)

const (
	minDuration = time.Second
	minTimeout  = time.Millisecond
	// minRequests is the least for a run: percentiles of fewer mean nothing.
	minRequests = 20
	// minRounds is the least for a side: one to warm up, and three to measure.
	minRounds = 4
	// roundsPerSecond is used if there are requests for that many. Rounds are short, so that what
	// the machine does meanwhile hits both sides.
	roundsPerSecond = 2
)

// Settings are what a run measures, and how hard.
type Settings struct {
	// Target is where the requests go directly, an http or https URL.
	Target string
	// Through is where the same requests go through the proxy. If it is empty, Target alone is
	// measured.
	Through string
	// Header is sent with every request, to both.
	Header http.Header
	// Rate is the requests a second. The two sides take turns, so neither gets more at any time.
	Rate int
	// Duration is how long both sides together take.
	Duration time.Duration
	// Timeout is for one request, from when it was due to its response's last byte.
	Timeout time.Duration
}

// Default is a run that takes 20 s and hurts nobody. It lacks a Target.
func Default() Settings {
	return Settings{Rate: 100, Duration: 20 * time.Second, Timeout: 5 * time.Second}
}

// Validate checks the settings. The error begins with the setting's name in lower case, and quotes
// no password.
func (s Settings) Validate() error {
	if s.Target == "" {
		return errors.New("target is missing: want http://HOST:PORT/PATH")
	}
	if err := checkURL("target", s.Target); err != nil {
		return err
	}
	if s.Through != "" {
		if err := checkURL("through", s.Through); err != nil {
			return err
		}
	}
	if err := checkHeader(s.Header); err != nil {
		return err
	}
	return s.checkAmounts()
}

// checkHeader quotes no value: it may be a key.
func checkHeader(h http.Header) error {
	for _, name := range sortedKeys(h) {
		if name == "" || strings.ContainsFunc(name, notInNames) {
			return fmt.Errorf("header %q is no name; want letters, digits and -", name)
		}
		for _, value := range h[name] {
			if strings.ContainsFunc(value, unicode.IsControl) {
				return fmt.Errorf("header %s has a control character in its value", name)
			}
		}
	}
	return nil
}

// notInNames are the characters that a field's name can't have, RFC 9110 section 5.6.2.
func notInNames(c rune) bool {
	return c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
}

func (s Settings) checkAmounts() error {
	switch {
	case s.Rate < 1 || s.Rate > MaxRate:
		return fmt.Errorf("rate %d; want 1 to %d requests a second", s.Rate, MaxRate)
	case s.Duration < minDuration || s.Duration > MaxDuration:
		return fmt.Errorf("duration %v; want %v to %v", s.Duration, minDuration, MaxDuration)
	case s.Timeout < minTimeout || s.Timeout > MaxTimeout:
		return fmt.Errorf("timeout %v; want %v to %v", s.Timeout, minTimeout, MaxTimeout)
	case s.total() > MaxRequests:
		return fmt.Errorf("rate %d for %v is %d requests; want %d at most", s.Rate, s.Duration, s.total(), MaxRequests)
	case s.total() < minRequests:
		return fmt.Errorf("rate %d for %v is %d requests; want %d at least", s.Rate, s.Duration, s.total(), minRequests)
	}
	return nil
}

func checkURL(name, text string) error {
	u, err := url.Parse(text)
	var parse *url.Error
	switch {
	case errors.As(err, &parse):
		return fmt.Errorf("%s is no URL: %w; want http://HOST:PORT/PATH, or https", name, parse.Err) // without the text, which may hold a password
	case u.User != nil:
		return fmt.Errorf("%s %q has a user in it; want an Authorization header for that", name, u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%s %q; want http://HOST:PORT/PATH, or https", name, text)
	case !isPort(u.Port()):
		return fmt.Errorf("%s %q has port %s; want 1 to 65535", name, text, u.Port())
	}
	return nil
}

// isPort reports whether there can be such a port. In a URL it has digits only, and none stand for
// the scheme's own.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// total is how many requests the run sends at most, the warm-up's too.
func (s Settings) total() int {
	return int(int64(s.Rate) * int64(s.Duration) / int64(time.Second))
}

// plan is how many requests a round has, and how many rounds each side gets.
func (s Settings) plan() (perRound, rounds int) {
	share := s.total()
	if s.Through != "" {
		share /= 2
	}
	perRound = max(1, min(s.Rate/roundsPerSecond, share/minRounds))
	return perRound, share / perRound
}
