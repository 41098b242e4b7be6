package outcome

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/mask"
)

// Log is which requests get a line in the log, and what is in it. It is immutable.
type Log struct {
	// Access says to log requests. Without it, only those are logged that we failed to serve.
	Access bool
	// LeastStatus is the lowest status of those that are logged. Requests that take as long as Slow
	// are logged, too; 0 is none.
	LeastStatus int
	Slow        time.Duration
	// Sample has one in so many be logged, except those that are slow, and that we failed to serve.
	// 0 and 1 have all.
	Sample uint32
	// Headers are the fields of a request that its line has.
	Headers []string
	// Masked are the parameters of targets whose values are hidden.
	Masked *mask.Names
	// Level is the lowest level that is logged. A line's is info, or error if we failed to serve.
	Level zerolog.Level
	// JSON gets the lines, each an object; nil: nobody does.
	JSON Lines
	// Combined, unless it is nil, gets the lines in the combined log format, instead of JSON. Those
	// that we failed to serve are logged as JSON nevertheless, since only that has the reason.
	Combined Lines
	// Stamp appends the time of a line as a value of JSON; nil: lines of JSON have none.
	Stamp func(dst []byte, at time.Time) []byte
}

// Lines takes lines that end in a newline.
type Lines interface {
	WriteLevel(level zerolog.Level, line []byte) (int, error)
}

// wants reports whether a request that has ended gets a line, and for how many requests that
// stands.
func (l *Log) wants(o *Outcome) (wanted bool, oneIn uint32) {
	switch {
	case !l.Access:
		return false, 0
	case o.Failure.ours(), l.Slow > 0 && o.Times.Total() >= l.Slow:
		return true, 1
	case o.Status < l.LeastStatus:
		return false, 0
	case l.Sample <= 1:
		return true, 1
	}
	return rand.Uint32N(l.Sample) == 0, l.Sample
}

// write writes what the log is to have of a request.
func (l *Log) write(o *Outcome) {
	wanted, oneIn := l.wants(o)
	if wanted && l.Combined != nil && l.Level <= zerolog.InfoLevel {
		put(l.Combined, zerolog.InfoLevel, func(dst []byte) []byte { return l.appendCombined(dst, o, time.Now()) })
	}
	level := o.level()
	if l.JSON != nil && level >= l.Level && (o.Failure.ours() || wanted && l.Combined == nil) {
		put(l.JSON, level, func(dst []byte) []byte { return l.appendJSON(dst, o, oneIn) })
	}
}

// lineBuffers have memory for lines.
var lineBuffers = sync.Pool{New: func() any { return new([]byte) }}

// put writes a line. It doesn't allocate, as long as the line fits into memory of a former one.
func put(to Lines, level zerolog.Level, appendLine func(dst []byte) []byte) {
	buf := lineBuffers.Get().(*[]byte)
	*buf = appendLine((*buf)[:0])
	_, _ = to.WriteLevel(level, *buf) // It counts what it can't write.
	lineBuffers.Put(buf)
}

// level is that of the request's line: error if we failed to serve it. That of a client past its
// share is info, since such a client can cause as many lines as it likes, and a line above info is
// written at once, which would cost more than the request.
func (o *Outcome) level() zerolog.Level {
	if o.Failure.ours() && o.Failure != ClientShare {
		return zerolog.ErrorLevel
	}
	return zerolog.InfoLevel
}

// target appends a request's target as it may be shown.
func (l *Log) target(dst []byte, h *http1.Request) []byte { return l.Masked.Append(dst, h.Target) }

// header appends the value of a field as it may be shown: URLs are masked as targets are.
func (l *Log) header(dst []byte, f http1.Field) []byte {
	if http1.Is(f.Name, "referer") || looksLikeTarget(f.Value) {
		return l.Masked.Append(dst, f.Value)
	}
	return append(dst, f.Value...)
}

// looksLikeTarget reports whether a value begins as a target does: with a path, or a URL.
func looksLikeTarget(value []byte) bool {
	scheme, _, isURL := bytes.Cut(value, []byte("://"))
	return bytes.HasPrefix(value, []byte("/")) || isURL && len(scheme) <= len("https")
}
