package proxy

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
	"gopher-equalizer/proxy/rewrite"
)

// sendProblem answers with a problem.
func (r *request) sendProblem(p problem.Encoded) {
	r.beginReply(p)
	r.endReply(p)
}

// sendLimited answers a client that is over its limit.
func (r *request) sendLimited() {
	l := r.proxy.limited
	r.status = l.problem.Status()
	r.beginReply(l.problem)
	r.out = l.appendFields(r.out, r.decision)
	r.endReply(l.problem)
}

// beginReply writes the start of an answer of ours to out. Its status may differ from r.status,
// which is what is logged.
func (r *request) beginReply(p problem.Encoded) {
	r.beginStatus(p.Status())
	r.out = rewrite.AppendField(r.out, headerContentType, problem.ContentType)
	r.out = rewrite.AppendNumber(r.out, rewrite.HeaderContentLength, int64(len(p.Body())))
}

// beginStatus writes the status line and the Date to out.
func (r *request) beginStatus(status int) {
	r.session.Admitted()
	r.last = r.last || r.proxy.wantsClose()
	r.out = append(r.out[:0], "HTTP/1.1 "...)
	r.out = strconv.AppendInt(r.out, int64(status), 10)
	r.out = append(r.out, ' ')
	r.out = append(r.out, fasthttp.StatusMessage(status)...)
	r.out = append(r.out, "\r\n"...)
	r.out = rewrite.AppendDate(r.out)
}

// endReply writes the rest of it, and sends all. The request's body, as far as it hasn't come,
// won't be read by anybody.
func (r *request) endReply(p problem.Encoded) {
	if len(r.head.RequestID) > 0 {
		r.out = rewrite.AppendField(r.out, rewrite.HeaderRequestID, r.head.RequestID)
	}
	r.last = r.last || !r.canSkipBody()
	r.out = r.appendPersistence(r.out, true)
	r.out = append(r.out, "\r\n"...)
	if !r.header.IsHead() {
		r.out = append(r.out, p.Body()...)
		r.size = int64(len(p.Body()))
	}
	r.count()
	if r.write(r.out) != nil {
		r.last = true
	}
}

// appendPersistence reports whether the connection stays open. With sized, the answer's end can be
// told without its closing.
func (r *request) appendPersistence(dst []byte, sized bool) []byte {
	switch {
	case r.last || !sized:
		r.last = true
		return rewrite.AppendField(dst, rewrite.HeaderConnection, "close")
	case !r.header.HTTP11:
		return rewrite.AppendField(dst, rewrite.HeaderConnection, "keep-alive")
	}
	return dst
}

// write sends b to the client.
func (r *request) write(b []byte) error {
	r.begun = true
	_, err := r.session.Write(b)
	return err
}
