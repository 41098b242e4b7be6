package h2

import (
	"fmt"
	"sync/atomic"
	"time"
)

// oddity is what a client may do, but gains nothing by, while it costs us something. None is a
// fault, and all happen now and then: a client may have changed its mind, or be written oddly.
type oddity uint8

const (
	oddReset        oddity = iota // a stream was reset before its response was complete
	oddRefused                    // a stream above SETTINGS_MAX_CONCURRENT_STREAMS
	oddStreamError                // a stream that we reset for what its client did
	oddClosed                     // a frame on a stream that has ended
	oddSettings                   // SETTINGS
	oddPing                       // PING
	oddPriority                   // PRIORITY or PRIORITY_UPDATE
	oddEmptyData                  // DATA that neither brings data nor ends a stream
	oddSmallWindow                // WINDOW_UPDATE by little
	oddContinuation               // CONTINUATION
	oddUnknown                    // a frame of a kind that we don't know
	oddities                      // how many there are
)

// oddityNames are for people and for machines.
var oddityNames = [oddities]string{
	"reset", "refused", "stream-error", "closed-stream", "settings", "ping", "priority", "empty-data",
	"small-window", "continuation", "unknown-frame",
}

// oddityWeights are what each costs us, compared to the others.
var oddityWeights = [oddities]int64{
	oddReset: 10, oddRefused: 10, oddStreamError: 20, oddClosed: 2, oddSettings: 10, oddPing: 2,
	oddPriority: 1, oddEmptyData: 5, oddSmallWindow: 1, oddContinuation: 5, oddUnknown: 2,
}

const (
	// mostOdd is by how much weight a connection may be odd at once: 1,000 resets, or 5,000 PINGs.
	mostOdd = 10_000
	// oddEnough is from when on the connection takes no more requests.
	oddEnough = mostOdd * 3 / 4
	// forgivenPerSecond is how much of it is forgiven in a second: 33 resets.
	forgivenPerSecond = 330
	// forgivenPerResponse is how much is forgiven for a response that was sent. Clients that do
	// much have reason to be odd.
	forgivenPerResponse = 20
	// bytesPerWeight is for how many bytes of data, either way, a weight of 1 is forgiven. A frame
	// of data forgives nothing by itself: one of a byte costs a client next to nothing.
	bytesPerWeight = 100
	// answersPerData is how many PINGs and small WINDOW_UPDATEs aren't odd behind a frame of data,
	// and mostAnswers how many of them may pile up. Some clients measure the network by a PING
	// with each piece of data, and some return each piece's window at once.
	answersPerData, mostAnswers = 3, 300
	// mostOwed is how many bytes of what answers a client's frames it may leave unread.
	mostOwed = 128 << 10
	// smallWindow is below which size a WINDOW_UPDATE is odd.
	smallWindow = 1 << 10
)

// account is how odd a connection's client is. The connection's mu guards it.
type account struct {
	weight int64
	// since is until when what was forgiven in time was.
	since int64
	// bytes are those of data for which nothing was forgiven yet, answers how many PINGs and small
	// WINDOW_UPDATEs aren't odd.
	bytes, answers int
	// counts are what it did.
	counts [oddities]uint32
}

// charge notes an oddity, and returns the weight of all.
func (a *account) charge(o oddity, now int64) int64 {
	if now > a.since {
		a.forgive((now - a.since) * forgivenPerSecond / int64(time.Second))
		a.since = now
	}
	a.counts[o]++
	a.weight += oddityWeights[o]
	return a.weight
}

func (a *account) forgive(weight int64) { a.weight = max(a.weight-weight, 0) }

// moved notes a frame of data of n bytes, either way.
func (a *account) moved(n int) {
	a.bytes += n
	a.forgive(int64(a.bytes / bytesPerWeight))
	a.bytes %= bytesPerWeight
	a.answers = min(a.answers+answersPerData, mostAnswers)
}

// isAnswer reports whether a PING or a small WINDOW_UPDATE may be for data that have come or gone.
func (a *account) isAnswer() bool {
	if a.answers == 0 {
		return false
	}
	a.answers--
	return true
}

// most names what the client did most, by weight.
func (a *account) most() string {
	worst := oddity(0)
	for o := range oddities {
		if int64(a.counts[o])*oddityWeights[o] > int64(a.counts[worst])*oddityWeights[worst] {
			worst = o
		}
	}
	return fmt.Sprintf("%s, %d times", oddityNames[worst], a.counts[worst])
}

// tally counts the oddities of all connections.
type tally [oddities]atomic.Int64

func (t *tally) byName() map[string]int64 {
	all := make(map[string]int64, oddities)
	for o := range oddities {
		all[oddityNames[o]] = t[o].Load()
	}
	return all
}
