package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// mostTails is how many may read GET /tail at once.
	mostTails = 16
	// tailPause is how long a stream without lines is silent, so that one without a reader ends.
	tailPause = 15 * time.Second
)

// TailFilter is which requests GET /tail tells of. Zero values are no condition.
type TailFilter struct {
	// LeastStatus and MostStatus are the first and the last status.
	LeastStatus, MostStatus int
	Route, Reason           string
	// Client is the client's address, or a client_id as the log has it.
	Client string
	// AtLeast is how long they took.
	AtLeast time.Duration
}

// Tail has the log's lines of requests as they end.
type Tail interface {
	// Next waits for a line, in JSON. leftOut is how many requests that were wanted have none, as
	// there were many or the reader was slow, since the last call. The error is the cause of ctx's
	// end.
	Next(ctx context.Context) (line []byte, leftOut int64, err error)
	// Close ends it.
	Close()
}

// LeftOut is the data of an event "left_out" of GET /tail, in JSON.
type LeftOut struct {
	// Requests is how many have no line.
	Requests int64 `json:"requests"`
}

// tail streams the log's lines as server-sent events: a "line" for each, as the log has it in JSON,
// and a "left_out" for those that there is none for. It ends as GET /events does.
func (s *snapshot) tail(ctx *fasthttp.RequestCtx) error {
	filter, err := parseTail(string(ctx.RequestURI()))
	if err != nil {
		return err
	}
	if s.sources.Tail == nil {
		return ErrStarting
	}
	ctx.SetContentType("text/event-stream")
	if ctx.IsHead() {
		return nil
	}
	if s.tails.Add(1) > mostTails {
		s.tails.Add(-1)
		return refuse(errWatched, "%d streams are open, and there may be no more", mostTails)
	}
	stream := tailStream{tail: s.sources.Tail(filter), open: s.tails, eventStream: eventStream{conn: ctx.Conn(), ended: s.ended}}
	ctx.SetConnectionClose()
	ctx.SetBodyStreamWriter(stream.serve)
	return nil
}

// tailStream is one reader's stream of lines.
type tailStream struct {
	eventStream
	tail Tail
	open *atomic.Int64
}

// serve writes lines until the reader is gone or the stream has ended.
func (t tailStream) serve(out *bufio.Writer) {
	defer t.open.Add(-1)
	defer t.tail.Close()
	if t.pulse(out) != nil {
		return
	}
	for {
		if err := t.next(out); err != nil {
			return
		}
	}
}

// next writes the next line, or a pulse if there is none for a while.
func (t tailStream) next(out *bufio.Writer) error {
	ctx, cancel := context.WithTimeout(t.ended, tailPause)
	defer cancel()
	line, leftOut, err := t.tail.Next(ctx)
	if t.ended.Err() != nil {
		return context.Cause(t.ended)
	}
	if leftOut > 0 {
		if err := t.write(out, "left_out", LeftOut{leftOut}); err != nil {
			return err
		}
	}
	if err != nil {
		return t.pulse(out)
	}
	return t.write(out, "line", json.RawMessage(line))
}

// parseTail reads which requests are wanted from a call's target.
func parseTail(target string) (f TailFilter, err error) {
	_, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return f, badRequest("the query is %s; want it percent-encoded", excerpt(strconv.Quote(query)))
	}
	for name, all := range values {
		if len(all) > 1 {
			return f, badRequest("the query has %s twice; want it once", excerpt(name))
		}
		if err := f.set(name, all[0]); err != nil {
			return f, err
		}
	}
	return f, nil
}

// set sets a condition by the name of its parameter.
func (f *TailFilter) set(name, value string) (err error) {
	switch name {
	case "status":
		f.LeastStatus, f.MostStatus, err = parseStatuses(value)
	case "route":
		f.Route = value
	case "reason":
		f.Reason = value
	case "client":
		f.Client = value
	case "min_duration":
		if f.AtLeast, err = time.ParseDuration(value); err != nil || f.AtLeast < 0 {
			return badRequest("min_duration is %s; want a duration, such as 250ms", excerpt(strconv.Quote(value)))
		}
	default:
		return badRequest("unknown query parameter %s; want status, route, client, reason or min_duration", excerpt(strconv.Quote(name)))
	}
	return err
}

// parseStatuses reads "404", "5xx" or "400-499".
func parseStatuses(value string) (least, most int, err error) {
	from, to, isRange := strings.Cut(value, "-")
	if class, isClass := strings.CutSuffix(value, "xx"); isClass && len(class) == 1 {
		from, to, isRange = class+"00", class+"99", true
	}
	if !isRange {
		to = from
	}
	least, err = strconv.Atoi(from)
	most, mostErr := strconv.Atoi(to)
	if err != nil || mostErr != nil || least < 100 || most > 599 || least > most {
		return 0, 0, badRequest("status is %s; want one such as 404, a class such as 5xx, or a range such as 400-499", excerpt(strconv.Quote(value)))
	}
	return least, most, nil
}
