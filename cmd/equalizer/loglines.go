package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// linesInterval is how long a line may wait to be written with others.
	linesInterval = 100 * time.Millisecond
	// linesEnough is for how many bytes nobody waits any longer, linesMost how many may wait while nothing can be written.
	linesEnough, linesMost = 256 << 10, 4 << 20
)

// logLines writes log lines many at a time: a system call for each would be a tenth of what a request costs, and a reader
// that has stopped would stop the requests. Warnings and errors are written at once, with what waits before them, or as soon as the
// write that runs is over. Lines that find no room are lost, and counted.
type logLines struct {
	out     io.Writer
	writing sync.Mutex    // one Write at a time, in order
	full    chan struct{} // that there is something to write now
	stop    chan struct{}
	stopped chan struct{}

	mu    sync.Mutex
	lines []byte
	spare []byte
	lost  int
}

// newLogLines begins to write to out. The caller must close it.
func newLogLines(out io.Writer) *logLines {
	l := &logLines{out: out, full: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
	go l.run()
	return l
}

// Write takes a line.
func (l *logLines) Write(line []byte) (int, error) { return l.WriteLevel(zerolog.InfoLevel, line) }

// WriteLevel takes a line of a level.
func (l *logLines) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	enough, urgent := l.add(line), level > zerolog.InfoLevel
	switch {
	case urgent && l.writing.TryLock():
		defer l.writing.Unlock()
		return len(line), l.flushLocked()
	case urgent, enough:
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

func (l *logLines) add(line []byte) (enough bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines)+len(line) > linesMost {
		l.lost++
		return true
	}
	l.lines = append(l.lines, line...)
	return len(l.lines) >= linesEnough
}

// run writes what waits, until close.
func (l *logLines) run() {
	defer close(l.stopped)
	ticker := time.NewTicker(linesInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		case <-l.full:
		}
		_ = l.flush() // There is nowhere left to say so.
	}
}

// flush writes what waits.
func (l *logLines) flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.flushLocked()
}

func (l *logLines) flushLocked() error {
	l.mu.Lock()
	lines, lost := l.lines, l.lost
	l.lines, l.spare, l.lost = l.spare[:0], nil, 0
	l.mu.Unlock()
	if lost > 0 {
		lines = fmt.Appendf(lines, `{"level":"warn","ts":%q,"msg":"%d log lines were lost: they came faster than they could be written"}`+"\n",
			zerolog.TimestampFunc().Format(zerolog.TimeFieldFormat), lost)
	}
	var err error
	if len(lines) > 0 {
		_, err = l.out.Write(lines)
	}
	l.mu.Lock()
	l.spare = lines
	l.mu.Unlock()
	return err
}

// close writes the last lines. Those that come later are written when they come with a warning, or never.
func (l *logLines) close() {
	close(l.stop)
	<-l.stopped
	_ = l.flush()
}
