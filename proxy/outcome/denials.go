package outcome

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/meter"
)

const (
	// keptDenials is how many are kept, in some 20 MiB; few take as little memory as they are.
	// deniedFor is for how long they are told.
	keptDenials = 65536
	deniedFor   = 10 * time.Minute
	// denialChunk is how many are allocated at once.
	denialChunk = 256
)

// Denial is a request that got an error of our own. Names are those of the log.
type Denial struct {
	Time      time.Time
	RequestID string
	ClientIP  netip.Addr
	Route     string
	Status    int
	Reason    string
	// Limit is the first that refused it, and ClientID whom it counted; "" if none did. A longer
	// one than 80 bytes is cut.
	Limit, ClientID string
	// OneIn is how many such requests this one stands for: under a flood not all are kept.
	OneIn int
}

// denial is a Denial in memory that serves the next one.
type denial struct {
	at     time.Duration // since start
	oneIn  uint32
	status int32
	from   netip.Addr
	route  string
	reason string
	limit  string
	id     text40
	client text80
}

type (
	text40 struct {
		bytes [40]byte
		n     uint8
	}
	text80 struct {
		bytes [80]byte
		n     uint8
	}
)

func (t *text40) set(b []byte)   { t.n = uint8(copy(t.bytes[:], b)) }
func (t *text80) set(b []byte)   { *t = text80{}; t.n = uint8(copy(t.bytes[:], b)) }
func (t *text40) String() string { return string(t.bytes[:t.n]) }
func (t *text80) String() string { return string(t.bytes[:t.n]) }

// denials are the last requests that got errors of our own. Each processor has a ring, and keeps as
// many a second as fit it for deniedFor. If there are more it keeps one in so many, at random.
type denials struct {
	rings *meter.Each[denialRing]
	// most is how many a ring has, and second how many it keeps in a second before it keeps fewer.
	most, second int
}

func newDenials() denials {
	processors := max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	most := max(denialChunk, keptDenials>>bits.Len(uint(processors-1)))
	return denials{meter.NewEach[denialRing](), most, max(1, most/int(deniedFor/time.Second))}
}

// denialRing is that of a processor. Its lock is taken for those that are kept, and by who reads,
// for a chunk at a time.
type denialRing struct {
	// until is when the second ends that it counts in. It keeps one of so many, and others is one
	// less.
	until  atomic.Int64
	others atomic.Uint32

	mu sync.Mutex
	// kept is how many were kept in this second at the present rate, seen how many there were.
	kept   int
	seen   int64
	chunks [][]denial
	// next is where the next one goes.
	next int
}

// add keeps a request that is denied, or leaves it out.
func (d *denials) add(o *Outcome) {
	ring, now := d.rings.Mine(), o.Times.last
	if int64(now) < ring.until.Load() && !drawn(ring.others.Load()) {
		return
	}
	ring.mu.Lock()
	defer ring.mu.Unlock()
	if int64(now) >= ring.until.Load() {
		ring.turn(now, d.second)
		if !drawn(ring.others.Load()) {
			return
		}
	}
	oneIn := ring.others.Load() + 1
	ring.place(d.most).set(o, now, oneIn)
	ring.seen += int64(oneIn)
	if ring.kept++; ring.kept == d.second {
		ring.kept = 0
		ring.others.Store(2*oneIn - 1)
	}
}

// drawn reports whether one is kept of one more than others, which is one less than a power of two.
func drawn(others uint32) bool { return others == 0 || rand.Uint32()&others == 0 }

// turn begins another second, with the rate that the last one would have needed.
func (r *denialRing) turn(now time.Duration, second int) {
	late := int64(now) - r.until.Load()
	others := uint32(0)
	if late < int64(time.Second) && r.seen > int64(second) {
		others = 1<<bits.Len64(uint64((r.seen-1)/int64(second))) - 1
	}
	r.others.Store(others)
	r.until.Store(int64(now + time.Second))
	r.kept, r.seen = 0, 0
}

// place is where the next one goes, in a ring of so many.
func (r *denialRing) place(most int) *denial {
	chunk, at := r.next/denialChunk, r.next%denialChunk
	if chunk == len(r.chunks) {
		r.chunks = append(r.chunks, make([]denial, denialChunk))
	}
	r.next = (r.next + 1) % most
	return &r.chunks[chunk][at]
}

func (d *denial) set(o *Outcome, now time.Duration, oneIn uint32) {
	d.at, d.oneIn, d.status, d.from, d.route = now, oneIn, int32(o.Status), o.From.Addr, o.Route
	d.reason, _ = o.Reason()
	d.id.set(o.From.RequestID)
	d.limit, d.client.n = "", 0
	for i := range o.Limits {
		if l := &o.Limits[i]; !l.Allowed && o.Failure == Limited {
			d.limit = l.Name
			d.client.set(l.ClientID)
			return
		}
	}
}

func (d *denial) shown() Denial {
	return Denial{
		Time: start.Add(d.at), RequestID: d.id.String(), ClientIP: d.from, Route: d.route, Status: int(d.status),
		Reason: d.reason, Limit: d.limit, ClientID: strings.ToValidUTF8(d.client.String(), ""), OneIn: int(d.oneIn),
	}
}

// each calls f with those that aren't older than deniedFor. f keeps nothing of them.
func (d *denials) each(f func(*denial)) {
	oldest := time.Since(start) - deniedFor
	for ring := range d.rings.All() {
		for i := 0; ring.eachIn(i, func(one *denial) {
			if one.oneIn > 0 && one.at >= oldest {
				f(one)
			}
		}); i++ {
		}
	}
}

// eachIn calls f with those of a chunk, and reports whether there is one.
func (r *denialRing) eachIn(chunk int, f func(*denial)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if chunk >= len(r.chunks) {
		return false
	}
	for i := range r.chunks[chunk] {
		f(&r.chunks[chunk][i])
	}
	return true
}

// of is the last one of a request's id.
func (d *denials) of(id string) (found Denial, ok bool) {
	d.each(func(one *denial) {
		known := one.id.bytes[:one.id.n]
		same := http1.Text(known) == id || len(known) == len(one.id.bytes) && strings.HasPrefix(id, http1.Text(known))
		if same && id != "" && (!ok || found.Time.Before(start.Add(one.at))) {
			found, ok = one.shown(), true
		}
	})
	return found, ok
}

// DeniedClient is a client that a limit refuses.
type DeniedClient struct {
	Limit, ClientID string
	// Requests is how many of its requests were refused in the last 10 minutes, at most; an
	// estimate if not all were kept.
	Requests int64
	// Last is when the last of them was.
	Last time.Time
}

// top are the clients that each limit refused most, at most so many of each, by the limits' names.
func (d *denials) top(most int) (all []DeniedClient) {
	type whom struct {
		limit  string
		client text80
	}
	clients := map[whom]*DeniedClient{}
	d.each(func(one *denial) {
		if one.limit == "" {
			return
		}
		c := clients[whom{one.limit, one.client}]
		if c == nil {
			shown := one.shown()
			c = &DeniedClient{Limit: shown.Limit, ClientID: shown.ClientID}
			clients[whom{one.limit, one.client}] = c
		}
		c.Requests += int64(one.oneIn)
		if at := start.Add(one.at); at.After(c.Last) {
			c.Last = at
		}
	})
	for _, c := range clients {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b DeniedClient) int {
		return cmp.Or(cmp.Compare(a.Limit, b.Limit), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ClientID, b.ClientID))
	})
	of, n := "", 0
	return slices.DeleteFunc(all, func(c DeniedClient) bool {
		if c.Limit != of {
			of, n = c.Limit, 0
		}
		n++
		return n > most
	})
}

// denied reports whether the request got an error of our own.
func (o *Outcome) denied() bool {
	switch o.Failure {
	case nil:
		return o.Refusal != nil && !o.Broken
	case Own, FinalRecipient, ClientGone:
		return false
	}
	return !o.Broken
}

// Denied is the last request of an id that got an error of our own, if it was kept.
func (r *Recorder) Denied(id string) (Denial, bool) { return r.denials.of(id) }

// DeniedMost are the clients that each limit refused most, at most so many of each.
func (r *Recorder) DeniedMost(most int) []DeniedClient { return r.denials.top(most) }
