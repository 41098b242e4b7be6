package h1

import (
	"cmp"
	"slices"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// skippedBody is how much of a body that nobody wants is read so that the connection can be kept.
const skippedBody = 64 << 10

// incoming is a request on its way in.
type incoming struct {
	line     *line
	settings *Settings
	in       inbox
	// raw is the head as it came; nil before it has. err is why it is not acceptable.
	raw  []byte
	err  error
	head http1.Request
	body http1.Body
	// read is how many bytes of the body's data were read.
	read int64
	// streamed reports that ReadBody was called.
	streamed bool
}

func (i *incoming) init(l *line, s *Settings) {
	i.line, i.settings = l, s
	i.in.buf = make([]byte, s.MaxHeader+inboxSpare)
	i.reset()
}

// reset forgets the request, but keeps what came behind it. The body is incomplete until a head has
// been read.
func (i *incoming) reset() {
	i.raw, i.err = nil, nil
	i.head.Reset()
	i.body.Begin(http1.SizeChunked)
	i.read, i.streamed = 0, false
}

// lighten gives the memory up. What will be logged is copied.
func (i *incoming) lighten() {
	i.raw = slices.Clone(i.raw)
	_ = i.head.Parse(i.raw)
	i.in.buf = nil
}

// look parses the head if it is here, and reports whether the request can be served without reading
// from the client.
func (i *incoming) look() bool {
	defer i.settings.Contain(&i.err)
	raw := i.in.takeHead(i.settings.MaxHeader)
	if raw == nil {
		return false
	}
	i.parse(raw)
	return i.err == nil && i.head.Size == http1.SizeNone && !i.head.Expect && !rewrite.PassesUpgrade(&i.head)
}

func (i *incoming) parse(raw []byte) {
	i.raw = raw
	if why := i.head.Parse(raw); why != nil {
		why.See(raw)
		i.err = why
	}
}

// ReadHead reads the head. With an error it returns what could be read of it, nil if that is
// nothing. The error is a *http1.Refusal, what Settings.Contain has made of a panic, or what
// reading failed with.
func (i *incoming) ReadHead() (*http1.Request, error) {
	if i.raw == nil && i.err == nil {
		raw, err := i.in.readHead(i.line.client, i.settings.MaxHeader)
		if err != nil {
			return nil, cmp.Or(i.line.client.Err(), err)
		}
		i.parse(raw)
	}
	switch {
	case i.err == nil:
		i.line.client.Body(i.head.Expect)
		i.body.Begin(i.head.Size)
	case i.head.Method == nil:
		return nil, i.err
	}
	return &i.head, i.err
}

// Offset is how many bytes of the request were read, its head and the data of its body.
func (i *incoming) Offset() int { return len(i.raw) + int(i.read) }

// Complete reports whether all of the body was read. Trailers are the fields behind it.
func (i *incoming) Complete() bool          { return i.body.Complete() }
func (i *incoming) Trailers() []http1.Field { return i.body.Trailers }

// TakeBody takes what has come of the body. It stays good until more is read. The error is a
// *http1.Refusal.
func (i *incoming) TakeBody() ([]byte, error) {
	data, err := i.in.decode(&i.body)
	i.read += int64(len(data))
	if i.head.Expect && len(data) > 0 {
		i.line.client.Owe() // It doesn't wait for the 100.
	}
	return data, inBody(err, len(i.raw))
}

// AwaitBody waits for more of the body, for TakeBody to take.
func (i *incoming) AwaitBody() error { return i.in.fill(i.line.client) }

// AwaitBodyUntil is AwaitBody up to a moment, as Soon returns it, and reports whether any came.
func (i *incoming) AwaitBodyUntil(moment int64) (came bool, err error) {
	err = i.in.fillBy(i.line.client, moment)
	if err == netconn.ErrNotYet {
		return false, nil
	}
	return err == nil, err
}

// ReadBody waits for some of the body: n bytes of data in p. The body may be complete then. What
// comes behind it is the next request, and is kept.
func (i *incoming) ReadBody(p []byte) (n int, err error) {
	i.streamed = true
	if size := i.head.Size; size >= 0 {
		p = p[:min(int64(len(p)), size-i.read)]
	} else {
		p = p[:min(len(p), i.in.spare())] // The next request must fit into the inbox.
	}
	came, err := i.line.client.Read(p)
	if err != nil {
		return 0, noEOF(err)
	}
	n, used, err := i.body.Decode(p[:came])
	if err != nil {
		return 0, inBody(err, len(i.raw))
	}
	i.in.put(p[used:came])
	i.read += int64(n)
	return n, nil
}

// Behind takes what came behind the request.
func (i *incoming) Behind() []byte {
	behind := i.in.bytes()
	i.in.clear()
	return behind
}

// canSkip reports whether the rest of a body that nobody wants is so short that reading it is
// cheaper than another connection.
func (i *incoming) canSkip() bool {
	return i.body.Complete() || !i.streamed && !i.head.Expect && i.head.Size-i.read <= skippedBody
}

// skip reads the rest of a body that nobody wants. It reports false if that is too much, or if the
// client doesn't send it.
func (i *incoming) skip() bool {
	for skipped := 0; !i.body.Complete(); {
		if skipped > skippedBody || !i.canSkip() {
			return false
		}
		data, err := i.in.decode(&i.body)
		skipped += len(data)
		switch {
		case err == nil && i.body.Complete():
			return true
		case err != nil || i.AwaitBody() != nil:
			return false
		}
	}
	return true
}

// leavesUnread reports whether the client sends more than will be read: the rest of its body, or
// requests behind the last one.
func (i *incoming) leavesUnread() bool {
	return !i.body.Complete() || i.in.size() > 0 || i.line.client.HasMore()
}
