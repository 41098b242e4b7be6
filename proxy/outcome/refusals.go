package outcome

import (
	"maps"
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
	// counts are how many there were for each reason. Our own code chooses reasons from few.
	counts map[string]int64
}

// add keeps why a request or the response to it was refused.
func (l *refusals) add(o *Outcome) {
	kept := Refused{Time: time.Now(), Refusal: *o.Refusal}
	kept.Detail = ""
	if o.Head != nil && isUsualMethod(o.Head.Method) {
		kept.Method = string(o.Head.Method)
	}
	l.put(kept)
}

// put keeps a refusal in the place of the oldest.
func (l *refusals) put(r Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring == nil {
		l.ring, l.counts = make([]Refused, 0, keptRefusals), map[string]int64{}
	}
	l.counts[r.Reason]++
	if len(l.ring) < keptRefusals {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % keptRefusals
}

// all returns them, newest first.
func (l *refusals) all() []Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Refused, 0, len(l.ring))
	for i := range l.ring {
		all = append(all, l.ring[(l.next+len(l.ring)-1-i)%len(l.ring)])
	}
	return all
}

// reasons are how many there were for each reason.
func (l *refusals) reasons() []ReasonCount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return reasonCounts(maps.All(l.counts))
}

// isUsualMethod reports whether b has the form of the registered methods. Where messages have come
// apart, a method may be a part of a body, and isn't shown.
func isUsualMethod(b []byte) bool {
	for _, c := range b {
		if (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= len("UPDATEREDIRECTREF")
}
