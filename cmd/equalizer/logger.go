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

// nameLogFields sets the names and units of all log lines, which zerolog keeps for the whole
// process: ts, level, msg, and durations in seconds.
func nameLogFields() {
	zerolog.TimestampFieldName = "ts"
	zerolog.MessageFieldName = "msg"
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.DurationFieldUnit = time.Second
}

// runLog is the log of a run of the proxy, and where its lines are on their way.
type runLog struct {
	zerolog.Logger
	lines *loglines.Writer
}

// newLogger logs to the terminal as the configuration says; what it doesn't say, or says wrong, is
// the default. The caller must close the lines after the last one. From then on the end of the
// log's reader isn't the end of the process.
func newLogger(c config.Log, t terminal) runLog {
	t.signals(syscall.SIGPIPE) // each line that can't be written brings one, and nobody waits for it
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

// console renders lines for people who look at w.
func console(w io.Writer) loglines.Renderer {
	isFile := !isTerminal(w)
	return func(to io.Writer, line []byte) {
		c := zerolog.ConsoleWriter{Out: to, TimeFormat: time.TimeOnly, NoColor: isFile}
		if _, err := c.Write(line); err != nil {
			_, _ = to.Write(line) // as it is, rather than not at all; to is memory
		}
	}
}

// fatal logs why the run ended, in the form that the configuration gives the log, and returns an
// error that isn't told again; nil if err is. Each problem of a configuration is a line.
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
	return toldError{err}
}

// toldError is an error that was logged.
type toldError struct{ error }

// isTerminal reports whether a person is looking: colours in a file are noise. https://no-color.org
// is honoured.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
