package adminclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
)

// Event is one of a stream. Data is valid until the next one is read.
type Event struct {
	Name string
	Data []byte
}

// Stream is a response of server-sent events.
type Stream struct {
	client *Client
	ctx    context.Context
	body   io.ReadCloser
	lines  *bufio.Scanner
}

// Stream begins to read one, until ctx ends. The caller must close it. The errors are those of
// [Client.Call].
func (c *Client) Stream(ctx context.Context, path string) (*Stream, error) {
	request, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode >= 300 {
		defer response.Body.Close()
		data, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
		if err != nil {
			return nil, c.unreachable(ctx, err)
		}
		return nil, c.refused(response, data)
	}
	if mediaType(response) != "text/event-stream" {
		defer response.Body.Close()
		return nil, c.another(response)
	}
	s := &Stream{client: c, ctx: ctx, body: response.Body, lines: bufio.NewScanner(response.Body)}
	s.lines.Buffer(nil, mostBody)
	return s, nil
}

// ErrEnded is that the process has ended a stream: it stops, or has another configuration.
var ErrEnded = errors.New("the stream has ended")

// Next waits for an event. The error is ErrEnded, or why the stream broke off.
func (s *Stream) Next() (e Event, err error) {
	for s.lines.Scan() {
		line := s.lines.Bytes()
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			e.Name = string(name)
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			e.Data = data
			return e, nil // All of ours have one line of data, behind the name.
		}
	}
	switch err := s.lines.Err(); {
	case s.ctx.Err() != nil:
		return e, s.ctx.Err()
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return e, ErrEnded
	default:
		return e, s.client.unreachable(s.ctx, err)
	}
}

// Close ends it.
func (s *Stream) Close() { _ = s.body.Close() }
