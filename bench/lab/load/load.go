//go:build linux

// Package load puts load on a server: a closed loop with wrk, or by HTTP/2 with h2load, a constant
// rate with vegeta, full TLS handshakes, and open connections that do nothing.
package load

import (
	"fmt"
	"strconv"
	"time"
)

// KeyHeader is the header that the proxies of the suite tell clients apart by.
const KeyHeader = "X-Api-Key"

// Keys is how many clients there are if every request comes from a random one.
const Keys = 1_000_000

// Key is which clients the requests come from.
type Key string

// The kinds of Key. They name the limiter's mode in reports.
const (
	NoKey      Key = "off"     // requests name no client
	OneKey     Key = "1 key"   // all name the same
	RandomKeys Key = "1M keys" // each names a random one of Keys
)

// Size is a path of the sample backends, which decides how large the response is.
type Size string

// The sizes: 118 bytes with the head, and 10 KiB and 1 MiB of body.
const (
	Small Size = "small"
	Ten   Size = "10k"
	Mega  Size = "1m"

	megaBytes = 1 << 20
)

// Shape is a load's, independent of the target. Either Rate or Connections is set.
type Shape struct {
	Rate        int  `json:"rate,omitempty"`        // requests a second, whatever their outcome
	Connections int  `json:"connections,omitempty"` // each sends its next request once it has its response
	Streams     int  `json:"streams,omitempty"`     // requests at a time on each connection, by HTTP/2; 0 is HTTP/1
	Size        Size `json:"size"`
	New         bool `json:"new,omitempty"` // a new connection for every request
	TLS         bool `json:"tls,omitempty"` // by TLS 1.3; with New, each request has a full handshake
	// After is how many requests a second come before the load. If it is 0, the load itself does.
	After int `json:"after,omitempty"`
}

// Before is the load that a target has before this one.
func (s Shape) Before() Shape {
	if s.After > 0 {
		return Shape{Rate: s.After, Size: s.Size, TLS: s.TLS}
	}
	return s
}

// String returns "c = 64, small" or "2,000/s, 10k, new connections", for example.
func (s Shape) String() string {
	text := fmt.Sprintf("c = %d, %s", s.Connections, s.Size)
	if s.Streams > 0 {
		text = fmt.Sprintf("c = %d x %d streams, %s", s.Connections, s.Streams, s.Size)
	}
	if s.Rate > 0 {
		text = Thousands(int64(s.Rate)) + "/s, " + string(s.Size)
	}
	if s.TLS {
		text += ", TLS"
	}
	if s.New {
		text += ", new connections"
	}
	if s.After > 0 {
		text += ", after " + Thousands(int64(s.After)) + "/s"
	}
	return text
}

// Slug is String for file names: "c64-small", "2000s-10k-new".
func (s Shape) Slug() string {
	text := fmt.Sprintf("c%d-%s", s.Connections, s.Size)
	if s.Streams > 0 {
		text = fmt.Sprintf("c%dx%d-%s", s.Connections, s.Streams, s.Size)
	}
	if s.Rate > 0 {
		text = fmt.Sprintf("%ds-%s", s.Rate, s.Size)
	}
	if s.TLS {
		text += "-tls"
	}
	if s.New {
		text += "-new"
	}
	if s.After > 0 {
		text += fmt.Sprintf("-after%ds", s.After)
	}
	return text
}

// Thousands writes 1234567 as 1,234,567.
func Thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Order is one run.
type Order struct {
	Shape
	Key    Key
	Target string // HOST:PORT
	Time   time.Duration
	Seed   uint32 // for wrk's random keys
}

func (o Order) url() string {
	scheme := "http://"
	if o.TLS {
		scheme = "https://"
	}
	return scheme + o.Target + "/" + string(o.Size)
}

// Quantiles are the points at which latencies are reported, in percent.
func Quantiles() []float64 {
	return []float64{1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 97, 98, 99, 99.5, 99.9, 99.95, 99.99}
}

// Outcome is the result of a run.
type Outcome struct {
	// Answered counts the requests that got a whole response, Refused those of them whose status
	// was 400 or more: refusals, and a proxy's own errors.
	Answered int64 `json:"answered"`
	Refused  int64 `json:"refused"`
	// Bodies is how many whole bodies the bytes would make that came, those of requests that were
	// open at the end too. Only h2load tells; it is 0 with the others.
	Bodies float64 `json:"bodies,omitempty"`
	// Broken counts the requests, connects and waits that failed.
	Broken int64 `json:"broken"`
	// Open is how many requests may have been sent without being counted, since the run ended
	// before their response: at most one a connection with wrk, one a stream with h2load, none with
	// the others.
	Open    int64         `json:"open"`
	Elapsed time.Duration `json:"elapsed"`
	// Latency is in milliseconds, by the Quantiles.
	Latency []float64 `json:"latency"`
}

// Work is what CPU time is divided by: responses, or bodies where responses are so large that many
// are open at the end.
func (o Outcome) Work() float64 {
	if o.Bodies > 0 {
		return o.Bodies
	}
	return float64(o.Answered)
}

// Failures are all that did not go well.
func (o Outcome) Failures() int64 { return o.Refused + o.Broken }

// Rate is the responses per second.
func (o Outcome) Rate() float64 { return float64(o.Answered) / o.Elapsed.Seconds() }

// Check compares the outcome with what the backends, or a log, counted meanwhile. They counted
// every good response before it was sent. They can't have got more requests than were sent: those
// with a response, those that broke, and those that were open at the end.
func (o Outcome) Check(counted int64) error {
	least, most := o.Answered-o.Refused, o.Answered+o.Broken+o.Open
	if counted < least || counted > most {
		return fmt.Errorf("counted %d requests; want %d to %d, as %d were answered, %d of them refused, %d broke and up to %d were open",
			counted, least, most, o.Answered, o.Refused, o.Broken, o.Open)
	}
	return nil
}
