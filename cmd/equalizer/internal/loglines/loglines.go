// Package loglines writes a log without letting anyone wait for its reader.
//
// The goroutine that writes the lines also renders them for a console. So a reader that has stopped
// holds up no request, and the end of the process for two seconds at most. A reader that has ended
// costs its lines, which are counted. Standard error is tried again ten times a second, so a new
// reader of a FIFO hears how many were lost.
package loglines

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// interval is how long a line may wait to be written with others.
	interval = 100 * time.Millisecond
	// enough is how many bytes are written without waiting any longer.
	enough = 256 << 10
	// most is how many bytes may wait while nothing can be written. Lines above info may take
	// urgentMost, so that the access log doesn't push out the errors.
	most, urgentMost = 4 << 20, 5 << 20
	// chunk is how many bytes go into one write, so that a failed write costs few lines.
	chunk = 64 << 10
	// lastWait is how long Close waits for a reader that has stopped.
	lastWait = 2 * time.Second
)

// Writer is a zerolog.LevelWriter that copies lines into memory. One goroutine writes them, many at
// a time. A system call for each would be a tenth of a request's cost, and a reader that has
// stopped would stop the requests. After a line above info, everything is written at once.
//
// Lines for which there is no room, or that can't be written, are dropped and counted. Once the log
// can be written again, a line has their number.
type Writer struct {
	render atomic.Pointer[Renderer]
	wake   chan struct{} // holds a value while the lines should be written at once
	stop   chan struct{}
	ended  chan struct{}

	mu    sync.Mutex
	lines []byte
	spare []byte
	full  int64       // lines for which there was no room since the last take
	next  []io.Writer // outputs that take the place of out, in turn

	dropped atomic.Int64
	failure atomic.Pointer[error] // of the last write; nil if there was none

	// Only the goroutine uses the rest.
	out      io.Writer
	untold   int64 // dropped lines that the log doesn't report yet
	torn     bool  // the last write ended within a line
	rendered bytes.Buffer
}

// A Renderer writes a line, which is a JSON object, in another form.
type Renderer func(to io.Writer, line []byte)

// New begins to write to out: lines as they come, or as render writes them if it isn't nil. The
// caller must call Close.
func New(out io.Writer, render Renderer) *Writer {
	w := &Writer{
		out:  out,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	w.Render(render)
	go w.run()
	return w
}

// Render has lines that aren't written yet be written as New describes.
func (w *Writer) Render(render Renderer) { w.render.Store(&render) }

// To has lines that aren't written yet be written to another output. If the former one is an
// io.Closer, it is closed once nothing is written to it any more.
func (w *Writer) To(out io.Writer) {
	w.mu.Lock()
	w.next = append(w.next, out)
	w.mu.Unlock()
	w.hurry()
}

// Write takes a line. It never fails, and never waits for the reader.
func (w *Writer) Write(line []byte) (int, error) { return w.WriteLevel(zerolog.InfoLevel, line) }

// WriteLevel takes a line of a level, as Write does.
func (w *Writer) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	urgent := level > zerolog.InfoLevel && level != zerolog.NoLevel
	if w.add(line, urgent) {
		w.hurry()
	}
	return len(line), nil
}

// hurry wakes the goroutine, to look for what there is to do.
func (w *Writer) hurry() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// add adds a line, and reports whether the lines should be written now.
func (w *Writer) add(line []byte, urgent bool) bool {
	room := most
	if urgent {
		room = urgentMost
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines)+len(line) > room {
		w.full++
		w.dropped.Add(1)
		return true
	}
	w.lines = append(w.lines, line...)
	return urgent || len(w.lines) >= enough
}

// Dropped is how many lines were dropped so far.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Err is why the last write failed; nil if it didn't.
func (w *Writer) Err() error {
	if err := w.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes the last lines. It waits for at most a moment, so that a reader that has stopped
// doesn't hold up the end of the process. Lines that come later are never written.
func (w *Writer) Close() {
	close(w.stop)
	timeout := time.NewTimer(lastWait)
	defer timeout.Stop()
	select {
	case <-w.ended:
	case <-timeout.C:
	}
}

// run writes the lines until Close.
func (w *Writer) run() {
	defer close(w.ended)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			w.flush()
			w.tell()
			closeOutput(w.out)
			return
		case <-ticker.C:
		case <-w.wake:
		}
		w.flush()
	}
}

// flush writes the waiting lines, and before them a line about those that were dropped.
func (w *Writer) flush() {
	w.turn()
	if !w.tell() {
		w.giveUp()
		return
	}
	lines, full := w.take()
	for rest := lines; len(rest) > 0; {
		piece := firstLines(rest)
		if !w.write(piece) {
			w.drop(rest[len(piece):])
			break
		}
		rest = rest[len(piece):]
	}
	w.untold += full // They came after all these lines.
	w.giveBack(lines)
}

// turn turns to the output that is the last to have taken the place of another.
func (w *Writer) turn() {
	w.mu.Lock()
	next := w.next
	w.next = nil
	w.mu.Unlock()
	for _, out := range next {
		closeOutput(w.out)
		w.out, w.torn = out, false
	}
}

func closeOutput(out io.Writer) {
	if c, ok := out.(io.Closer); ok {
		_ = c.Close() // Each write to it has told of its errors.
	}
}

// giveUp drops the waiting lines, since nothing can be written.
func (w *Writer) giveUp() {
	lines, full := w.take()
	w.drop(lines)
	w.untold += full
	w.giveBack(lines)
}

func (w *Writer) take() (lines []byte, full int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, full = w.lines, w.full
	w.lines, w.spare, w.full = w.spare[:0], nil, 0
	return lines, full
}

// giveBack keeps the memory for the next lines, unless it has grown while the reader had stopped.
func (w *Writer) giveBack(lines []byte) {
	if cap(lines) > 4*enough {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spare = lines
}

func (w *Writer) drop(lines []byte) {
	n := int64(bytes.Count(lines, newline))
	w.untold += n
	w.dropped.Add(n)
}

// firstLines are as many whole lines as one write takes, at least one.
func firstLines(lines []byte) []byte {
	if len(lines) <= chunk {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:chunk], '\n'); end >= 0 {
		return lines[:end+1]
	}
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return lines[:end+1]
	}
	return lines
}

var newline = []byte("\n")
