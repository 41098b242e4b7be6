package loglines

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reader reads the log. It can hold writes up, or fail them.
type reader struct {
	hold chan struct{} // nil if it reads at once

	mu     sync.Mutex
	text   strings.Builder
	pieces int
	fail   func(p []byte) (n int, err error) // nil if it reads everything
}

func (r *reader) Write(p []byte) (int, error) {
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pieces++
	if r.fail == nil {
		return r.text.Write(p)
	}
	n, err := r.fail(p)
	r.text.Write(p[:n])
	return n, err
}

func (r *reader) failing(fail func(p []byte) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

func (r *reader) all() (string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String(), r.pieces
}

func (r *reader) lines() []string {
	text, _ := r.all()
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

var errEnded = errors.New("broken pipe")

func ended([]byte) (int, error) { return 0, errEnded }

func write(t *testing.T, w *Writer, line string) {
	t.Helper()
	n, err := w.Write([]byte(line + "\n"))
	require.NoError(t, err)
	require.Equal(t, len(line)+1, n)
}

func warn(t *testing.T, w *Writer, line string) {
	t.Helper()
	_, err := w.WriteLevel(zerolog.WarnLevel, []byte(line+"\n"))
	require.NoError(t, err)
}

func TestLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		w := New(r, nil)
		for i := range 10 {
			write(t, w, fmt.Sprint("line ", i))
		}
		synctest.Wait()
		text, _ := r.all()
		assert.Empty(t, text)
		time.Sleep(2 * interval)
		_, pieces := r.all()
		assert.Len(t, r.lines(), 10)
		assert.Equal(t, 1, pieces)

		// With a warning, everything that waits is written at once.
		write(t, w, "before")
		warn(t, w, "warning")
		synctest.Wait()
		_, pieces = r.all()
		assert.Equal(t, []string{"before", "warning"}, r.lines()[10:])
		assert.Equal(t, 2, pieces)

		write(t, w, "last")
		w.Close()
		assert.Equal(t, "last", r.lines()[12])
		assert.Zero(t, w.Dropped())
		assert.NoError(t, w.Err())
	})
}

// Many lines don't wait for the interval.
func TestManyLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		w := New(r, nil)
		defer w.Close()
		line := strings.Repeat("x", 1023)
		for range enough / (len(line) + 1) {
			write(t, w, line)
		}
		begin := time.Now()
		synctest.Wait()
		text, pieces := r.all()
		assert.Len(t, text, enough)
		assert.Equal(t, enough/chunk, pieces)
		assert.Zero(t, time.Since(begin))
	})
}

// While the reader has stopped nobody waits, memory is bounded, the access log leaves room for
// warnings, and the lines without room are reported.
func TestReaderThatHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		w := New(r, nil)
		long := strings.Repeat("x", 1<<20-1)
		write(t, w, long)
		synctest.Wait() // It is being written.
		for range most/(len(long)+1) + 3 {
			write(t, w, long)
		}
		warn(t, w, "warning")
		assert.EqualValues(t, 3, w.Dropped())
		assert.LessOrEqual(t, cap(w.lines), 2*urgentMost)

		warn(t, w, strings.Repeat("w", urgentMost-most))
		assert.EqualValues(t, 4, w.Dropped(), "there is an end to that as well")
		close(r.hold)
		w.Close()
		assert.Equal(t, 1+most/(len(long)+1), strings.Count(strings.Join(r.lines(), "\n"), long))
		assert.Equal(t, "warning", r.lines()[5])
		assert.Contains(t, r.lines()[6], `"level":"warn"`)
		assert.Contains(t, r.lines()[6], `"message":"4 log lines were dropped"`)
		assert.Len(t, r.lines(), 7)
	})
}

// The end of the process doesn't wait for long either.
func TestCloseWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		w := New(r, nil)
		write(t, w, "line")
		begin := time.Now()
		w.Close()
		assert.Equal(t, lastWait, time.Since(begin))
		write(t, w, "too late")
		close(r.hold)
		synctest.Wait()
		assert.Equal(t, []string{"line"}, r.lines())
	})
}

// If a reader has ended, its lines are lost, and the next reader gets their number.
func TestReaderThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{fail: ended}
		w := New(r, nil)
		write(t, w, "lost")
		warn(t, w, "lost, too")
		synctest.Wait()
		assert.EqualValues(t, 2, w.Dropped())
		assert.ErrorIs(t, w.Err(), errEnded)
		write(t, w, "and this")
		time.Sleep(10 * interval)
		assert.EqualValues(t, 3, w.Dropped(), "what is to be told is no line that was dropped")

		r.failing(nil)
		write(t, w, "here again")
		time.Sleep(2 * interval)
		assert.Contains(t, r.lines()[0], `"error":"broken pipe","`)
		assert.Contains(t, r.lines()[0], `"message":"3 log lines were dropped"`)
		assert.Equal(t, []string{"here again"}, r.lines()[1:])
		assert.NoError(t, w.Err())
		w.Close()
		assert.Len(t, r.lines(), 2, "told once")
		assert.EqualValues(t, 3, w.Dropped())
	})
}

// A full disk may take half a line. What comes later begins on a line of its own.
func TestWriteThatEndsWithinALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := len("whole\nha")
		r := &reader{fail: func([]byte) (n int, err error) {
			n, room = room, 0
			return n, errors.New("no space left")
		}}
		w := New(r, nil)
		write(t, w, "whole")
		write(t, w, "half")
		write(t, w, "none")
		time.Sleep(2 * interval)
		assert.EqualValues(t, 2, w.Dropped())
		r.failing(nil)
		write(t, w, "next")
		w.Close()
		lines := r.lines()
		assert.Equal(t, []string{"whole", "ha"}, lines[:2])
		assert.Contains(t, lines[2], "2 log lines were dropped")
		assert.Equal(t, []string{"next"}, lines[3:])
	})
}

// Other formats than JSON are rendered by the goroutine that writes, so they block nobody either.
func TestRendering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{hold: make(chan struct{})}
		render := func(to io.Writer, line []byte) { fmt.Fprintf(to, "-- %s", line) }
		w := New(r, render)
		warn(t, w, "first")
		synctest.Wait()
		for range 1000 {
			write(t, w, "line")
		}
		r.failing(ended)
		close(r.hold)
		time.Sleep(2 * interval)
		assert.EqualValues(t, 1001, w.Dropped())
		r.failing(nil)
		write(t, w, "last")
		w.Close()
		assert.Contains(t, r.lines()[0], "-- {")
		assert.Contains(t, r.lines()[0], "1001 log lines were dropped")
		assert.Equal(t, "-- last", r.lines()[1])
	})
}

// Every line is written or counted, whatever the reader does.
func TestEachLineIsWrittenOrCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, calls := &reader{}, 0
		r.fail = func(p []byte) (int, error) {
			if calls++; calls%3 == 0 {
				n := calls % (len(p) + 1)
				if n > 0 && n < len(p) && p[n] == '\n' {
					n-- // A line that lacks only its end is lost, and would look whole.
				}
				return n, errEnded
			}
			return len(p), nil
		}
		w := New(r, nil)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := range 1000 {
					line := fmt.Sprintf("%03d %s\n", i, strings.Repeat("y", i))
					_, _ = w.WriteLevel(zerolog.Level(i%3), []byte(line))
				}
			})
		}
		all.Wait()
		r.failing(nil)
		w.Close()
		whole := 0
		for _, line := range r.lines() {
			if _, ys, ok := strings.Cut(line, " "); ok && line[:3] == fmt.Sprintf("%03d", len(ys)) {
				whole++
			}
		}
		assert.EqualValues(t, 4000, int64(whole)+w.Dropped())
	})
}

// A pipe whose reader has ended is an error, as this process catches SIGPIPE in the proxy only.
func TestPipe(t *testing.T) {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()
	w := New(out, nil)
	require.NoError(t, in.Close())
	warn(t, w, "lost")
	w.Close()
	assert.EqualValues(t, 1, w.Dropped())
	assert.ErrorContains(t, w.Err(), "broken pipe")
}

func TestTakingALineDoesNotAllocate(t *testing.T) {
	r := &reader{hold: make(chan struct{})}
	w := New(r, nil)
	defer w.Close()
	defer close(r.hold)
	line := []byte(strings.Repeat("x", 200) + "\n")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = w.Write(line)
		_, _ = w.WriteLevel(zerolog.ErrorLevel, line)
	}))
}
