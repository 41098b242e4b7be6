package outcome

import (
	"strconv"
	"time"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// appendCombined appends the line in the combined log format of Apache and nginx: the client, two
// that are never known (identd, user), the time, the request line, the status, the size of the
// body, the Referer and the User-Agent.
func (l *Log) appendCombined(dst []byte, o *Outcome, now time.Time) []byte {
	dst = identity.AppendAddr(dst, o.From.Addr)
	dst = append(dst, " - - ["...)
	dst = now.UTC().AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	dst = l.appendRequestLine(dst, o.Head)
	dst = append(dst, `" `...)
	dst = strconv.AppendInt(dst, int64(o.Status), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, o.Size, 10)
	dst = append(dst, ` "`...)
	dst = l.appendField(dst, o.Head, "referer")
	dst = append(dst, `" "`...)
	dst = l.appendField(dst, o.Head, "user-agent")
	return append(dst, "\"\n"...)
}

// appendRequestLine appends - for one that could not be read.
func (l *Log) appendRequestLine(dst []byte, h *http1.Request) []byte {
	if h == nil || h.Version == nil {
		return append(dst, '-')
	}
	var buf [512]byte
	dst = AppendEscaped(dst, h.Method)
	dst = append(dst, ' ')
	dst = AppendEscaped(dst, l.target(buf[:0], h))
	dst = append(dst, ' ')
	return AppendEscaped(dst, h.Version)
}

// appendField appends the first value of a field, - if there is none.
func (l *Log) appendField(dst []byte, h *http1.Request, name string) []byte {
	if h != nil {
		for _, f := range h.Fields {
			if http1.Is(f.Name, name) && len(f.Value) > 0 {
				var buf [512]byte
				return AppendEscaped(dst, l.header(buf[:0], f))
			}
		}
	}
	return append(dst, '-')
}

// AppendEscaped appends text in the way of nginx, so that it can stand between quotes on one line,
// and do nothing to a terminal: quotes, backslashes and what isn't printable ASCII are \xHH.
func AppendEscaped(dst, text []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst = append(dst, '\\', 'x', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
