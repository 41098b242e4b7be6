package loglines

import (
	"bytes"

	"github.com/rs/zerolog"
)

// write writes some lines, and drops those that it can't write. It reports whether all were
// written.
func (w *Writer) write(lines []byte) bool {
	lost, err := w.put(lines)
	w.untold += lost
	w.dropped.Add(lost)
	w.note(err)
	return err == nil
}

// tell writes a line about the lines that were dropped, if there are any. It reports whether that
// succeeded.
func (w *Writer) tell() bool {
	if w.untold == 0 {
		return true
	}
	var line bytes.Buffer
	log := zerolog.New(&line).With().Timestamp().Logger()
	log.Warn().AnErr("error", w.Err()).Msgf("%d log lines were dropped", w.untold)
	_, err := w.put(line.Bytes())
	w.note(err)
	if err == nil {
		w.untold = 0
	}
	return err == nil
}

// put writes some lines at once, and returns how many of them the reader didn't get whole.
func (w *Writer) put(lines []byte) (lost int64, err error) {
	text := w.text(lines)
	n, err := w.out.Write(text)
	if n > 0 {
		w.torn = text[n-1] != '\n'
	}
	switch {
	case err == nil:
		return 0, nil
	case n == 0:
		return int64(bytes.Count(lines, newline)), err
	}
	return int64(bytes.Count(text[n:], newline)), err
}

// text is how the lines are written. After half a line it begins with a newline.
func (w *Writer) text(lines []byte) []byte {
	render := *w.render.Load()
	if render == nil && !w.torn {
		return lines
	}
	w.rendered.Reset()
	if w.torn {
		w.rendered.Write(newline)
	}
	if render == nil {
		w.rendered.Write(lines)
		return w.rendered.Bytes()
	}
	for line := range bytes.Lines(lines) {
		render(&w.rendered, line)
	}
	return w.rendered.Bytes()
}

func (w *Writer) note(err error) {
	if err == nil {
		w.failure.Store(nil)
		return
	}
	failure := err // The address of err itself would have it allocated for every write.
	w.failure.Store(&failure)
}
