package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gopher-equalizer/cmd/equalizer/internal/authority"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
)

// visitor is a client that `demo --traffic` sends requests as. The proxy learns its address from
// X-Forwarded-For.
type visitor struct {
	address, path string
	// perSecond is how many requests it sends in a second.
	perSecond int
}

// visitors are all. The last one sends more than its limit lets through.
func visitors() []visitor {
	return []visitor{
		{"192.0.2.10", "/shop/", 3},
		{"192.0.2.24", "/shop/cart", 2},
		{"198.51.100.7", "/api/search", 3},
		{"203.0.113.5", "/api/orders", 2},
		{"198.51.100.66", "/api/search", 12},
	}
}

// visitorsLimit is the limit of their routes.
const visitorsLimit = "visitors"

// welcome adds the visitors' routes and their limit to the demo's configuration. Requests of this
// machine may then say whom they are from.
func welcome(c *config.Config) {
	limit := config.DefaultLimit()
	limit.Capacity, limit.Refill = 20, gcra.Refill{Amount: 5, Per: time.Second}
	c.Limits[visitorsLimit] = limit
	for _, of := range [][2]string{{"shop", visitorsLimit}, {"api", visitorsLimit}, {"", "default"}} {
		r := config.DefaultRoute()
		r.Name, r.PathPrefix, r.Limits = of[0], "/"+of[0], []string{of[1]}
		c.Routes = append(c.Routes, r)
	}
	c.Routes[len(c.Routes)-1].Name = "else"
	c.Server.TrustedProxies = []string{"127.0.0.1", "::1"}
	c.Log.Access = false // It would push away what the demo has printed.
}

// traffic sends the visitors' requests.
type traffic struct {
	url    string
	client *http.Client
}

// newTraffic makes the traffic to a demo at url, by TLS if it has an authority.
func newTraffic(url string, a *authority.Authority) (*traffic, error) {
	transport := &http.Transport{}
	if a != nil {
		trusted, err := readCertificates(a.CertFile())
		if err != nil {
			return nil, fmt.Errorf("the demo's authority: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		for _, c := range trusted {
			transport.TLSClientConfig.RootCAs.AddCert(c)
		}
	}
	return &traffic{url, &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// run sends requests until ctx ends.
func (t *traffic) run(ctx context.Context) {
	defer t.client.CloseIdleConnections()
	var sending sync.WaitGroup
	for _, v := range visitors() {
		sending.Go(func() { t.visit(ctx, v) })
	}
	sending.Wait()
}

// visit sends the requests of one visitor, one after the other.
func (t *traffic) visit(ctx context.Context, v visitor) {
	ticker := time.NewTicker(time.Second / time.Duration(v.perSecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.send(ctx, v)
		}
	}
}

// send sends a request. What becomes of it is to be seen in the proxy.
func (t *traffic) send(ctx context.Context, v visitor) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+v.path, http.NoBody)
	if err != nil {
		return
	}
	request.Header.Set("X-Forwarded-For", v.address)
	response, err := t.client.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
}

// trafficText is what the demo tells of its traffic.
func trafficText() string {
	all, sum := visitors(), 0
	for _, v := range all {
		sum += v.perSecond
	}
	greedy := all[len(all)-1]
	return fmt.Sprintf("  traffic    %d requests a second from %d clients; %s sends more than its limit\n"+
		"             allows, and backend %d is unwell for %d of every %d seconds\n",
		sum, len(all), greedy.address, demoBackends, unwellFor/time.Second, unwellEvery/time.Second)
}

// The last of the demo's backends is unwell for a part of each minute while there is traffic.
const (
	unwellEvery = time.Minute
	unwellAfter = 10 * time.Second
	unwellFor   = 25 * time.Second
)

// isUnwell reports whether it is, so long after its start.
func isUnwell(after time.Duration) bool {
	after %= unwellEvery
	return after >= unwellAfter && after < unwellAfter+unwellFor
}

// workFor is how long a sample backend takes for a visitor's request: some milliseconds.
func workFor(path string) time.Duration {
	isVisitors := slices.ContainsFunc(visitors(), func(v visitor) bool { return v.path == path })
	switch {
	case !isVisitors:
		return 0
	case strings.HasPrefix(path, "/api/"):
		return time.Duration(5+rand.IntN(30)) * time.Millisecond
	}
	return time.Duration(1+rand.IntN(8)) * time.Millisecond
}

// visits is traffic that runs until it is ended.
type visits struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// begin begins the traffic to the demo that is shown.
func (v *visits) begin(ctx context.Context, shown demoShown, log runLog) {
	t, err := newTraffic(shown.proxyURL(), shown.authority)
	if err != nil {
		log.Error().Err(err).Msg("there is no traffic")
		return
	}
	ctx, v.cancel = context.WithCancel(ctx)
	v.running.Go(func() { t.run(ctx) })
}

// end ends it, if it was begun.
func (v *visits) end() {
	if v.cancel != nil {
		v.cancel()
	}
	v.running.Wait()
}
