//go:build linux

package load

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// mostConnections bounds the connections that vegeta opens to a slow server.
const mostConnections = 4096

// Constant sends o.Rate requests a second for o.Time, however long their responses take.
func Constant(ctx context.Context, o Order) (Outcome, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: mostConnections, DisableKeepAlives: o.New, DisableCompression: true}
	defer transport.CloseIdleConnections()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: transport, Timeout: 10 * time.Second}),
		vegeta.MaxWorkers(mostConnections), vegeta.MaxBody(0)) // bodies are read, and not kept
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()

	start := time.Now()
	var out Outcome
	var latencies []time.Duration
	for r := range attacker.Attack(targeter(o), vegeta.ConstantPacer{Freq: o.Rate, Per: time.Second}, o.Time, "") {
		out.add(r)
		latencies = append(latencies, r.Latency)
	}
	out.Elapsed = time.Since(start)
	out.Latency = quantiles(latencies)
	return out, ctx.Err()
}

func (o *Outcome) add(r *vegeta.Result) {
	switch {
	case r.Code == 0:
		o.Broken++
		return
	case r.Code >= 400:
		o.Refused++
	}
	o.Answered++
}

// VegetaVersion is that of the library.
func VegetaVersion() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if strings.HasPrefix(m.Path, "github.com/tsenart/vegeta") {
				return m.Version
			}
		}
	}
	return "unknown"
}

// targeter makes the requests. Workers call it at the same time.
func targeter(o Order) vegeta.Targeter {
	url := o.url()
	return func(t *vegeta.Target) error {
		t.Method, t.URL, t.Header = http.MethodGet, url, http.Header{}
		switch o.Key {
		case OneKey:
			t.Header.Set(KeyHeader, "client-1")
		case RandomKeys:
			t.Header.Set(KeyHeader, "client-"+strconv.Itoa(Keys+rand.IntN(Keys)))
		}
		return nil
	}
}

// quantiles are in milliseconds: for each, the least latency that so many percent of the requests
// don't exceed.
func quantiles(latencies []time.Duration) []float64 {
	if len(latencies) == 0 {
		return nil
	}
	slices.Sort(latencies)
	var at []float64
	for _, q := range Quantiles() {
		i := int(math.Ceil(q/100*float64(len(latencies)))) - 1
		at = append(at, float64(latencies[max(i, 0)])/float64(time.Millisecond))
	}
	return at
}
