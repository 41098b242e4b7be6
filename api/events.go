package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/api/live"
)

// mostWatchers is how many may read GET /events at once.
const mostWatchers = 64

// events streams samples as server-sent events, whose data is JSON: one "history" with the points
// of the last 15 minutes, and then a "change" a second. The first one has all there is.
//
// A stream ends with the server, and with the configuration that it began with, since that says who
// may read it. Readers come again.
func (s *snapshot) events(ctx *fasthttp.RequestCtx) error {
	ctx.SetContentType("text/event-stream")
	if ctx.IsHead() {
		return nil
	}
	w := s.feed.Watch(mostWatchers)
	if w == nil {
		return refuse(errWatched, "%d streams are open, and there may be no more", mostWatchers)
	}
	stream := sampleStream{watcher: w, eventStream: eventStream{conn: ctx.Conn(), ended: s.ended}}
	ctx.SetConnectionClose()
	ctx.SetBodyStreamWriter(stream.serve)
	return nil
}

// eventStream is one reader's stream of server-sent events.
type eventStream struct {
	conn net.Conn
	// ended ends when the stream has to.
	ended context.Context
}

// sampleStream is one reader's stream of samples.
type sampleStream struct {
	eventStream
	watcher *live.Watcher
}

// serve writes events until the reader is gone or the stream has ended.
func (e sampleStream) serve(out *bufio.Writer) {
	defer e.watcher.Close()
	if e.write(out, "history", e.watcher.History()) != nil {
		return
	}
	for {
		change, err := e.watcher.Next(e.ended)
		if err != nil || e.write(out, "change", change) != nil {
			return
		}
	}
}

// write writes an event, for which the reader has writeTimeout. The server's own timeout would be
// for the whole stream.
func (e eventStream) write(out *bufio.Writer, name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	return e.send(out, "event: %s\ndata: %s\n\n", name, text)
}

// pulse writes a comment, so that a reader that is gone is noticed.
func (e eventStream) pulse(out *bufio.Writer) error { return e.send(out, ":\n\n") }

func (e eventStream) send(out *bufio.Writer, format string, values ...any) error {
	if err := e.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, format, values...)
	return errors.Join(err, out.Flush())
}
