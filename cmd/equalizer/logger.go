package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/cmd/equalizer/internal/loglines"
	"gopher-equalizer/config"
)

// nameLogFields sets the names and units of all log lines: ts, level, msg, and durations in
// seconds. zerolog keeps them for the whole process.
func nameLogFields() {
	zerolog.TimestampFieldName = "ts"
	zerolog.MessageFieldName = "msg"
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.DurationFieldUnit = time.Second
}

// runLog is the log of a run of the proxy, with the writer of its lines.
type runLog struct {
	zerolog.Logger
	lines *loglines.Writer
}

// newLogger logs to the terminal as configured. Values that are missing or wrong are the defaults.
// The caller must close the lines in the end. From now on the process survives the end of the log's
// reader.
func newLogger(c config.Log, t terminal) runLog {
	t.signals(syscall.SIGPIPE) // It comes with each line that can't be written. Nobody reads it.
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil || c.Level == "" {
		level = zerolog.InfoLevel
	}
	var render loglines.Renderer
	if c.Format == "console" {
		render = console(t.stderr)
	}
	lines := loglines.New(t.stderr, render)
	return runLog{zerolog.New(lines).Level(level).With().Timestamp().Logger(), lines}
}

// console renders lines for people who read w.
func console(w io.Writer) loglines.Renderer {
	isFile := !isTerminal(w)
	return func(to io.Writer, line []byte) {
		c := zerolog.ConsoleWriter{Out: to, TimeFormat: time.TimeOnly, NoColor: isFile}
		if _, err := c.Write(line); err != nil {
			_, _ = to.Write(line) // Better as it is than not at all. Writing to memory doesn't fail.
		}
	}
}

// fatal logs why the run ended, in the log's format, and returns an error that isn't printed again;
// nil if err is nil. Each problem of a configuration gets a line.
func (l runLog) fatal(err error) error {
	if err == nil {
		return nil
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			l.Error().Msg(p.String())
		}
		err = fmt.Errorf("the configuration can't be used: problems found: %d", len(problems))
	}
	l.WithLevel(zerolog.FatalLevel).Msg(err.Error())
	return loggedError{err}
}

// loggedError is an error that was logged.
type loggedError struct{ error }

// isTerminal reports whether w is a terminal, which may show colours, unless NO_COLOR is set
// (https://no-color.org).
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
