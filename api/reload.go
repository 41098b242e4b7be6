package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// Reloader reads the configuration again.
type Reloader interface {
	// Reload applies the configuration as its file has it now, whole or not at all, and returns
	// what that changed. The error is [Mistakes] if the configuration can't be used, or wraps
	// ErrReloading, ErrStarting or ErrStopping. After an error nothing has changed.
	Reload(ctx context.Context) (Reloaded, error)
}

// The errors of a reload that isn't begun.
var (
	// ErrReloading is that a reload runs, and another waits for it. What wraps it says since when.
	ErrReloading = errors.New("another reload is under way")
	// ErrStarting is that the process isn't ready yet.
	ErrStarting = errors.New("the process is starting")
	// ErrStopping is that the process was told to stop.
	ErrStopping = errors.New("the process is stopping")
)

// Reloaded is what a reload changed, and the response to POST /reload. GET /config/changes has what
// one would change.
type Reloaded struct {
	// Changes are in the order of the configuration's keys.
	Changes []Difference `json:"changes"`
	// Warnings are about what is valid but probably not meant, one sentence each.
	Warnings []string `json:"warnings"`
	// DurationSeconds is how long it took.
	DurationSeconds float64 `json:"duration_seconds"`
}

// Difference is a key that a reload changed.
type Difference struct {
	// Key is its full path in the configuration, such as "limits.default.capacity".
	Key string `json:"key"`
	// Kind is "added", "removed", "changed", or "content": something else is in the file that the
	// key names.
	Kind string `json:"kind"`
	// Old and New are the values as the file would have them, secrets starred; "" where there is
	// none.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// Mistake is one thing that is wrong in a configuration.
type Mistake struct {
	// Key is its full path; "" for a syntax error.
	Key string `json:"key"`
	// Where is the file and the line, such as "config.toml:12", the flag or the variable that has
	// the value; "" if that isn't known.
	Where string `json:"where"`
	// Text is what is there and what was wanted. It never holds a secret.
	Text string `json:"text"`
}

// String is the mistake on one line.
func (m Mistake) String() string {
	known := slices.DeleteFunc([]string{m.Where, m.Key, m.Text}, func(part string) bool { return part == "" })
	return strings.Join(known, ": ")
}

// Mistakes is the error of a reload whose configuration can't be used: everything that is wrong.
type Mistakes []Mistake

// Error is the mistakes, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// reload serves POST /reload. It has no deadline of its own: the Reloader bounds what it waits for.
func (s *snapshot) reload(ctx *fasthttp.RequestCtx) error {
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return err
	}
	if err := decodeObject(body, memberDecoders{}); err != nil {
		return err
	}
	if s.sources.Reloader == nil {
		return ErrStarting
	}
	done, err := s.sources.Reloader.Reload(context.Background())
	if err != nil {
		return reloadError(err)
	}
	s.audit(s.log.Info(), ctx).Int("changes", len(done.Changes)).Msg("admin write: the configuration was reloaded")
	return writeJSON(ctx, fasthttp.StatusOK, done.listed())
}

// listed has [] in JSON for no changes and no warnings, and not null.
func (r Reloaded) listed() Reloaded {
	r.Changes, r.Warnings = append([]Difference{}, r.Changes...), append([]string{}, r.Warnings...)
	return r
}

// reloadError makes the mistakes of a configuration a problem that lists them.
func reloadError(err error) error {
	var mistakes Mistakes
	if !errors.As(err, &mistakes) {
		return err
	}
	what := "a mistake"
	if n := len(mistakes); n != 1 {
		what = fmt.Sprintf("%d mistakes", n)
	}
	return refuse(errMistakes, "the configuration has %s; nothing was changed", what).with("mistakes", mistakes)
}
