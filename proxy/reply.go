package proxy

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
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

// beginReply writes the start of an answer of ours to out. Its status may differ from r.status, which is what is logged.
func (r *request) beginReply(p problem.Encoded) {
	r.beginStatus(p.Status())
	r.out = appendField(r.out, headerContentType, problem.ContentType)
	r.out = append(r.out, headerContentLength+": "...)
	r.out = strconv.AppendInt(r.out, int64(len(p.Body())), 10)
	r.out = append(r.out, "\r\n"...)
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
	r.out = appendDate(r.out)
}

// endReply writes the rest of it, and sends all. The request's body, as far as it hasn't come, won't be read by anybody.
func (r *request) endReply(p problem.Encoded) {
	if len(r.head.requestID) > 0 {
		r.out = appendField(r.out, headerRequestID, r.head.requestID)
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

// appendPersistence says whether the connection stays open. With sized, the answer's end can be told without its closing.
func (r *request) appendPersistence(dst []byte, sized bool) []byte {
	switch {
	case r.last || !sized:
		r.last = true
		return appendField(dst, headerConnection, "close")
	case !r.header.HTTP11:
		return appendField(dst, headerConnection, "keep-alive")
	}
	return dst
}

// appendRetryAfter writes in how many seconds to try again.
func appendRetryAfter(dst []byte, seconds int64) []byte {
	dst = append(dst, headerRetryAfter+": "...)
	dst = strconv.AppendInt(dst, seconds, 10)
	return append(dst, "\r\n"...)
}

// appendDate writes the Date that an answer must have (RFC 9110, section 6.6.1).
func appendDate(dst []byte) []byte {
	dst = append(dst, headerDate+": "...)
	dst = time.Now().UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
	return append(dst, "\r\n"...)
}

// write sends b to the client.
func (r *request) write(b []byte) error {
	r.begun = true
	_, err := r.session.Write(b)
	return err
}
