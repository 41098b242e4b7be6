package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/cmd/equalizer/internal/loglines"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/mask"
	"gopher-equalizer/proxy/outcome"
)

// nameLogFields sets the names and units of all log lines: ts, level, msg, and durations in
// seconds. zerolog keeps them for the whole process.
func nameLogFields() {
	zerolog.TimestampFieldName = "ts"
	zerolog.MessageFieldName = "msg"
	zerolog.TimeFieldFormat = logTime
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.DurationFieldUnit = time.Second
}

// logTime is how lines have their time.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// runLog is the log of a run of the proxy. Lines of requests and the others go to an output each,
// which may be the same. Until a configuration is in force that is standard error.
type runLog struct {
	zerolog.Logger
	lowest *lowest
	stamp  *stamp
	// requests and events are where lines go.
	requests, events *destination
	outputs          *logOutputs
}

// logOutputs write the lines.
type logOutputs struct {
	to io.Writer
	// stderr writes to standard error, and aside to a file or to syslog; nil before there was one.
	stderr *loglines.Writer
	aside  atomic.Pointer[loglines.Writer]
}

// destination is a zerolog.LevelWriter that may be changed.
type destination struct {
	is atomic.Pointer[loglines.Writer]
}

func (d *destination) Write(line []byte) (int, error) { return d.is.Load().Write(line) }

func (d *destination) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	return d.is.Load().WriteLevel(level, line)
}

// newLogger logs to standard error, in the format that is configured. The caller must close the log
// in the end. From now on the process survives the end of the log's reader.
func newLogger(c config.Log, t terminal) runLog {
	t.signals(syscall.SIGPIPE) // It comes with each line that can't be written. Nobody reads it.
	l := runLog{
		lowest: &lowest{}, stamp: &stamp{}, requests: &destination{}, events: &destination{},
		// Without its Close, as standard error stays open.
		outputs: &logOutputs{to: t.stderr, stderr: loglines.New(struct{ io.Writer }{t.stderr}, nil)},
	}
	l.Logger = zerolog.New(l.events).Sample(l.lowest).Hook(l.stamp)
	l.use(c, nil)
	return l
}

// close writes the last lines.
func (l runLog) close() {
	if aside := l.outputs.aside.Load(); aside != nil {
		aside.Close()
	}
	l.outputs.stderr.Close()
}

// openLog opens the output that is configured; nil is standard error.
func openLog(c config.Log) (io.WriteCloser, error) {
	switch c.Output {
	case "", config.LogStderr:
		return nil, nil
	case config.LogSyslog:
		to, err := loglines.DialSyslog(loglines.SyslogSocket)
		if err != nil {
			return nil, problem("log.output", "%q: %v", c.Output, err)
		}
		return to, nil
	}
	to, err := os.OpenFile(c.Output, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, problem("log.output", "%v", err)
	}
	return to, nil
}

// use puts a configuration of the log in force, for all loggers that were made of this one. out is
// what openLog has opened. Values that are missing or wrong are the defaults.
func (l runLog) use(c config.Log, out io.WriteCloser) {
	l.lowest.level.Store(int32(levelOf(c)))
	l.stamp.unix.Store(c.Time == config.LogUnix)
	to := l.outputs.stderr
	if out != nil {
		to = l.outputs.turnTo(out)
	}
	var render loglines.Renderer
	if c.Format == config.LogConsole {
		render = loglines.Console(out == nil && isTerminal(l.outputs.to))
	}
	to.Render(render)
	l.requests.is.Store(to)
	if c.Format == config.LogCombined { // It has room for nothing else.
		to = l.outputs.stderr
		to.Render(nil)
	}
	l.events.is.Store(to)
	if former := l.outputs.aside.Load(); former != nil && out == nil {
		l.outputs.aside.Store(nil)
		go former.Close() // It may have to wait for its reader.
	}
}

// turnTo returns what writes to an output aside.
func (o *logOutputs) turnTo(out io.WriteCloser) *loglines.Writer {
	aside := o.aside.Load()
	if aside == nil {
		aside = loglines.New(out, nil)
		o.aside.Store(aside)
	} else {
		aside.To(out)
	}
	return aside
}

// ofRequests is which requests get a line, and how.
func (l runLog) ofRequests(c config.Log) outcome.Log {
	o := outcome.Log{
		Access: c.Access, LeastStatus: c.MinStatus, Slow: c.Slow, Sample: uint32(c.Sample),
		Headers: c.Headers, Masked: mask.New(c.Mask),
		Level: levelOf(c), JSON: l.events, Stamp: l.stamp.append,
	}
	if c.Format == config.LogCombined {
		o.Combined = l.requests
	}
	return o
}

// levelOf is the lowest level that is logged.
func levelOf(c config.Log) zerolog.Level {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil || c.Level == "" {
		return zerolog.InfoLevel
	}
	return level
}

// reopen has lines go to a new file of the same name, after another program has renamed the former
// one.
func (l runLog) reopen(c config.Log) {
	out, err := openLog(c)
	if err != nil {
		l.Error().Err(err).Msg("the log can't be opened anew: it goes on where it was")
		return
	}
	l.use(c, out)
}

// status is how the log is.
func (l runLog) status() (dropped int64, err error) {
	dropped, err = l.outputs.stderr.Dropped(), l.outputs.stderr.Err()
	if aside := l.outputs.aside.Load(); aside != nil {
		dropped, err = dropped+aside.Dropped(), errors.Join(aside.Err(), err)
	}
	return dropped, err
}

// lowest is the lowest level that is logged, which may change. A logger's own level can't.
type lowest struct{ level atomic.Int32 }

// Sample reports whether a line of that level is logged. It is zerolog.Sampler's.
func (l *lowest) Sample(level zerolog.Level) bool { return int32(level) >= l.level.Load() }

// stamp adds the time to lines, as text or in seconds since 1970, which may change.
type stamp struct {
	unix atomic.Bool
	// second is the last one that was written as text.
	second atomic.Pointer[second]
}

// second is a second as text, from its quote to its point.
type second struct {
	unix int64
	text [len(`"2006-01-02T15:04:05.`)]byte
}

// Run is zerolog.Hook's.
func (s *stamp) Run(line *zerolog.Event, _ zerolog.Level, _ string) {
	var buf [64]byte
	line.RawJSON("ts", s.append(buf[:0], time.Now()))
}

// append appends a time as a value of JSON: text as logTime has it, in UTC, or a number. Many lines
// are of the same second, and most of the work is in that.
func (s *stamp) append(dst []byte, at time.Time) []byte {
	if s.unix.Load() {
		return strconv.AppendFloat(dst, float64(at.UnixMicro())/1e6, 'f', -1, 64)
	}
	in := s.second.Load()
	if unix := at.Unix(); in == nil || in.unix != unix {
		in = &second{unix: unix}
		at.UTC().AppendFormat(in.text[:0], `"2006-01-02T15:04:05.`)
		s.second.Store(in)
	}
	millis := at.Nanosecond() / int(time.Millisecond)
	return append(append(dst, in.text[:]...), byte('0'+millis/100), byte('0'+millis/10%10), byte('0'+millis%10), 'Z', '"')
}

// fatal logs why the run ended, in the log's format, and returns an error that isn't printed again;
// nil if err is nil. Each problem of a configuration gets a line, without the values of its
// references.
func (l runLog) fatal(err error, of config.Sources) error {
	if err == nil {
		return nil
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			l.Error().Msg(withoutValues(p, of).String())
		}
		err = fmt.Errorf("the configuration can't be used: problems found: %d", len(problems))
	}
	err = errors.New(of.Redacted(err.Error()))
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
