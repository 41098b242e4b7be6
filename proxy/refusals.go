package proxy

import (
	"errors"
	"sync"
	"time"

	"gopher-equalizer/proxy/http1"
)

// keptRefusals is how many refusals are kept: with their texts they take less than 256 KiB.
const keptRefusals = 512

// Refused is a message that was refused, as far as it may be shown: nothing of a value, and nothing
// of a query.
type Refused struct {
	Time time.Time
	// Method is the request's, if it could be read and is of the usual form.
	Method string
	// Refusal is why, without its Detail.
	http1.Refusal
}

// refusals are the last messages that were refused. The zero value is ready.
type refusals struct {
	mu   sync.Mutex
	ring []Refused // empty until the first one, which takes the memory for all
	next int
}

// add keeps a refusal in the place of the oldest.
func (l *refusals) add(r Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring == nil {
		l.ring = make([]Refused, 0, keptRefusals)
	}
	if len(l.ring) < keptRefusals {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % keptRefusals
}

// Refused are the last messages that were refused, of clients and of backends, newest first.
func (p *Proxy) Refused() []Refused {
	l := &p.refusals
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Refused, 0, len(l.ring))
	for i := range l.ring {
		all = append(all, l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)])
	}
	return all
}

// refusedBy is why the request, or the response to it, was refused; nil if neither was.
func (r *request) refusedBy() *http1.Refusal {
	if r.refusal != nil || r.cause == nil {
		return r.refusal
	}
	var why *http1.Refusal
	errors.As(r.cause, &why)
	return why
}

// keepRefusal keeps why the request or its response was refused, if one was.
func (r *request) keepRefusal() {
	why := r.refusedBy()
	if why == nil {
		return
	}
	kept := Refused{Time: time.Now(), Refusal: *why}
	kept.Detail = ""
	if m := r.header.Method; isUsualMethod(m) {
		kept.Method = string(m)
	}
	r.proxy.refusals.add(kept)
}

// isUsualMethod reports whether b has the form of the registered methods. Where messages have come
// apart, what should be a method may be a part of a body, and isn't shown.
func isUsualMethod(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= len("UPDATEREDIRECTREF")
}

// inBody has a refusal of a body count from the beginning of its message, whose head has so many
// bytes.
func inBody(err error, head int) error {
	if why, ok := err.(*http1.Refusal); ok {
		why.Offset += head
	}
	return err
}
