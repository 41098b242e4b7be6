package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written is what was written, and in how many pieces. While it is held, writing waits.
type written struct {
	hold   chan struct{}
	mu     sync.Mutex
	text   strings.Builder
	pieces int
}

func (w *written) Write(p []byte) (int, error) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pieces++
	return w.text.Write(p)
}

func (w *written) all() (string, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String(), w.pieces
}

func TestLogLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{}
		l := newLogLines(w)
		var want strings.Builder
		for i := range 10 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			_, err := l.Write([]byte(line))
			require.NoError(t, err)
		}
		text, _ := w.all()
		assert.Empty(t, text)
		time.Sleep(2 * linesInterval)
		text, pieces := w.all()
		assert.Equal(t, want.String(), text)
		assert.Equal(t, 1, pieces)

		// A warning takes what waits with it.
		_, _ = l.Write([]byte("before\n"))
		_, err := l.WriteLevel(zerolog.WarnLevel, []byte("warning\n"))
		require.NoError(t, err)
		text, pieces = w.all()
		assert.Equal(t, want.String()+"before\nwarning\n", text)
		assert.Equal(t, 2, pieces)

		_, _ = l.Write([]byte("last\n"))
		l.close()
		text, _ = w.all()
		assert.Equal(t, want.String()+"before\nwarning\nlast\n", text)
	})
}

// Many lines don't wait for the interval.
func TestManyLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{}
		l := newLogLines(w)
		defer l.close()
		line := []byte(strings.Repeat("x", 1023) + "\n")
		for range linesEnough / len(line) {
			_, _ = l.Write(line)
		}
		begin := time.Now()
		synctest.Wait()
		text, _ := w.all()
		assert.Len(t, text, linesEnough)
		assert.Zero(t, time.Since(begin))
	})
}

// While nothing can be written nobody waits, memory is bounded, and what is lost is told.
func TestLogLinesThatFindNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{hold: make(chan struct{})}
		l := newLogLines(w)
		line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
		_, _ = l.Write(line)
		synctest.Wait() // It is being written.
		for range linesMost/len(line) + 3 {
			_, err := l.Write(line)
			require.NoError(t, err)
		}
		close(w.hold)
		l.close()
		text, _ := w.all()
		assert.Equal(t, 1+linesMost/len(line), strings.Count(text, "xxx\n"))
		assert.Contains(t, text, "3 log lines were lost")
		assert.True(t, strings.HasSuffix(text, "}\n"))
	})
}

// Nor do those wait that have an error to log: they would all, if a backend broke at that time.
func TestErrorsWhileNothingCanBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &written{hold: make(chan struct{})}
		l := newLogLines(w)
		_, _ = l.Write([]byte("first\n"))
		time.Sleep(2 * linesInterval) // It is being written.
		_, _ = l.Write([]byte("before\n"))
		_, err := l.WriteLevel(zerolog.ErrorLevel, []byte("error\n"))
		require.NoError(t, err)
		begin := time.Now()
		close(w.hold)
		synctest.Wait()
		text, _ := w.all()
		assert.Equal(t, "first\nbefore\nerror\n", text)
		assert.Zero(t, time.Since(begin), "at once when there is a way")
		l.close()
	})
}

func TestLoggingDoesNotAllocate(t *testing.T) {
	l := newLogLines(&written{})
	defer l.close()
	line := []byte(strings.Repeat("x", 200) + "\n")
	for range 1000 {
		_, _ = l.Write(line)
	}
	require.NoError(t, l.flush())
	require.NoError(t, l.flush())
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = l.Write(line) }))
}
