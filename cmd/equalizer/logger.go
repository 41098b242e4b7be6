package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

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

// newLogger logs to w as the configuration, which was validated, says. The caller must close it after the last line.
func newLogger(c config.Log, w io.Writer) (log zerolog.Logger, closeLog func()) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	closeLog = func() {}
	if c.Format == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	} else {
		lines := newLogLines(w)
		w, closeLog = lines, lines.close
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), closeLog
}

// isTerminal says whether a person is looking: colours in a file are noise. https://no-color.org is honoured.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
