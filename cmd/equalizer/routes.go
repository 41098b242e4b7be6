package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// bodyWait is how long a chunked body may take for its first 8 KiB before a connection to a backend
// is taken for it. Most bodies are there by then. It delays a stream whose client waits for the
// response first.
const bodyWait = time.Second

// routing makes the routes of a configuration.
type routing struct {
	config  config.Config
	sources config.Sources
	pools   pools
	// limit is the limit of a name.
	limit func(name string) *limiter.Limit
}

// routes makes all routes. The error names all that is wrong.
func (m routing) routes() (*proxy.Routes, error) {
	var all []route.Route[*proxy.Route]
	var problems []error
	for i, r := range m.config.RoutesInForce() {
		pattern, err1 := r.Pattern()
		made, err2 := m.route(r)
		pages, err3 := loadPages(i, r.ErrorPages)
		if problems = append(problems, err1, err2, err3); errors.Join(err1, err2, err3) != nil {
			continue
		}
		made.ErrorPages = pages
		if shown := m.sources.RouteName(config.Element("routes", i), r); shown != pattern.DisplayName() {
			pattern.Name = shown // A name that came from a reference is shown nowhere.
		}
		if len(m.config.Routes) > 0 {
			made.Name = pattern.DisplayName()
		}
		all = append(all, route.Route[*proxy.Route]{Pattern: pattern, Value: made})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return proxy.NewRoutes(all)
}

// route makes a route, except for its pages.
func (m routing) route(c config.Route) (*proxy.Route, error) {
	r := &proxy.Route{
		ShowLimits:    m.config.Server.RateLimitHeaders,
		MaxBody:       int64(*c.MaxBody),
		BodyWait:      bodyWait,
		TunnelTimeout: *c.TunnelTimeout,
		Priority:      c.Priority,
	}
	switch {
	case !c.HasPool():
	case len(c.Pools) > 0:
		r.Split = m.split(c)
	default:
		r.Destination = m.destination(c, c.Pool)
	}
	if c.FallbackPool != "" {
		fallback := m.destination(c, c.FallbackPool)
		r.Fallback = &fallback
	}
	var errs [4]error
	errs[0] = setResponse(r, c)
	r.Rules, errs[1] = rulesOf(c)
	r.ExposeTo, errs[2] = rewrite.ParseOrigins(c.ExposeTo)
	r.Limits, errs[3] = m.limitUses(c.Limits, c.Cost)
	return r, errors.Join(errs[:]...)
}

// split is how a route's clients are shared out to pools.
func (m routing) split(c config.Route) *proxy.Split {
	s := &proxy.Split{By: clientKey(c.SplitBy)}
	for _, part := range c.Pools {
		s.Parts = append(s.Parts, proxy.Part{Destination: m.destination(c, part.Pool), Weight: part.Weight})
	}
	return s
}

// clientKey is what identifies a client to the balancer, of a Config that is valid.
func clientKey(text string) identity.Key {
	key, _ := identity.ParseKey(text, false)
	return key
}

// destination is a pool as a route reaches it.
func (m routing) destination(c config.Route, name string) proxy.Destination {
	p := m.pools[name]
	d := proxy.Destination{
		Name: name, Pool: p.Pool, Host: cmp.Or(c.SetHost, p.config.Host), Hidden: p.hidden,
		Retry: retryOf(*cmp.Or(c.Retry, &p.config.Retry)),
	}
	switch p.config.Strategy {
	case balancer.Hash:
		by := clientKey(p.config.HashBy)
		d.HashBy = &by
	case balancer.Sticky:
		d.Cookie = m.config.CookieOf(name)
	}
	if c.ResponseTimeout != nil || c.IdleTimeout != nil || c.TotalTimeout != nil {
		d.Timeouts = &netconn.ExchangeLimits{
			Response: orElse(c.ResponseTimeout, p.config.ResponseTimeout),
			Idle:     orElse(c.IdleTimeout, p.config.IdleTimeout),
			Total:    orElse(c.TotalTimeout, p.config.TotalTimeout),
		}
	}
	return d
}

// retryOf is which requests are retried.
func retryOf(c config.Retry) proxy.Retry {
	return proxy.Retry{
		Retry:    balancer.Retry{Most: c.Attempts - 1},
		Statuses: balancer.NewStatusSet(c.Statuses),
		PerTry:   c.PerTryTimeout,
		Backoff:  c.Backoff, MaxBackoff: c.MaxBackoff,
		Body: int(c.Body),
	}
}

// orElse is what a route says, or what its pool does.
func orElse(own *time.Duration, pool time.Duration) time.Duration {
	if own != nil {
		return *own
	}
	return pool
}

// setResponse gives a route the response that it makes itself, if it makes one.
func setResponse(r *proxy.Route, c config.Route) error {
	if to := c.Redirect; to != nil {
		host, err := route.ParseHost(c.Host)
		if err != nil {
			return err
		}
		redirect, err := rewrite.ParseRedirect(to.To, to.Status, host)
		r.Redirect = &redirect
		return err
	}
	if own := c.Respond; own != nil {
		respond, err := rewrite.ParseRespond(own.Status, own.Body, own.ContentType)
		r.Respond = &respond
		return err
	}
	return nil
}

// rulesOf are what a route changes in messages.
func rulesOf(c config.Route) (rules rewrite.Rules, err error) {
	var errs [3]error
	rules.Path, errs[0] = rewrite.ParsePathRules(c.StripPrefix, c.AddPrefix)
	rules.Request, errs[1] = rewrite.ParseRequestFields(c.RequestHeaders.Fields())
	rules.Response, errs[2] = rewrite.ParseResponseFields(c.ResponseHeaders.Fields())
	return rules, errors.Join(errs[:]...)
}

// limitUses are the limits as a route uses them, at a cost.
func (m routing) limitUses(names []string, cost int64) (uses []proxy.LimitUse, err error) {
	for _, name := range names {
		use, err := m.limitUse(name, m.config.Limits[name])
		if err != nil {
			return nil, fmt.Errorf("limits.%s: %w", name, err)
		}
		use.Cost = cost
		uses = append(uses, use)
	}
	return uses, nil
}

func (m routing) limitUse(name string, c config.Limit) (proxy.LimitUse, error) {
	key, err := identity.ParseKey(c.Key, c.Secret)
	if err != nil {
		return proxy.LimitUse{}, err
	}
	var exempt []route.Exemption
	for _, e := range c.Exempt {
		one, err := route.ParseExemption(e.Networks, e.Methods, e.PathPrefixes)
		if err != nil {
			return proxy.LimitUse{}, err
		}
		exempt = append(exempt, one)
	}
	use := proxy.NewLimitUse(name, key, m.limit(name))
	use.Exempt, use.ExemptPreflights = route.NewExemptions(exempt), c.ExemptPreflights
	return use, nil
}
