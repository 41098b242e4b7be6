package main

import (
	"cmp"
	"slices"
	"strings"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// questionOf is the admin API's question in the proxy's form.
func questionOf(q api.Question) proxy.Question {
	return proxy.Question{Method: q.Method, Host: q.Host, Target: q.Path, Fields: q.Headers, Peer: q.ClientIP}
}

// explained is an explanation of a request for a host as operators see it.
func explained(e proxy.Explanation, host string, loaded config.Loaded) api.Explanation {
	view := api.Explanation{
		Path: e.Path, Result: resultOf(e), Status: e.Status, Reason: e.Reason, Field: e.Field, Detail: e.Detail,
		OtherRoutes: []api.MissedRoute{}, MoreRoutes: e.OtherMisses, Limits: []api.ExplainedLimit{}, Pools: []api.ExplainedPool{},
	}
	if e.Forwards {
		view.Status = 200
	}
	if e.Client.IsValid() {
		view.ClientIP = string(identity.AppendAddr(nil, e.Client))
	}
	if e.HasRoute {
		view.Route = &e.Route
	}
	if e.Pool != "" {
		view.Pool = &e.Pool
	}
	for _, pool := range e.Pools {
		view.Pools = append(view.Pools, api.ExplainedPool{Pool: pool})
	}
	routes := viewRoutes(loaded)
	for _, miss := range e.Misses {
		view.OtherRoutes = append(view.OtherRoutes, missedRoute(miss, routes[miss.Index]))
	}
	for i := range e.Limits {
		view.Limits = append(view.Limits, explainedLimit(&e.Limits[i], loaded))
	}
	view.Listeners = viewListeners(loaded)
	for i := range view.Listeners {
		forHost(&view.Listeners[i], host, loaded.Config.TLS.Hosts)
	}
	return view
}

// viewListeners are the proxy's listeners as the admin API shows them. What came from references is
// shown as those.
func viewListeners(l config.Loaded) (all []api.Listener) {
	for i, c := range l.Config.ListenersInForce() {
		view := api.Listener{
			Listen: l.Sources.Shown(l.Config.ListenKey(i), c.Listen), TLS: c.TLS, Protocols: c.Protocols,
			ProxyProtocol: shownList(l, config.Element("listeners", i)+".proxy_protocol", c.ProxyProtocol),
		}
		switch {
		case c.TLS:
			view.MinVersion, view.ClientAuth = c.MinVersion, c.ClientAuth
		case c.RedirectHTTPS:
			view.RedirectPort = c.RedirectPort
		}
		all = append(all, view)
	}
	return all
}

// forHost changes a listener to what it is for a host, which may have settings of its own.
func forHost(l *api.Listener, host string, hosts []config.TLSHost) {
	if i := hostIndex(host, hosts); l.TLS && i >= 0 {
		l.MinVersion = cmp.Or(hosts[i].MinVersion, l.MinVersion)
		l.ClientAuth = cmp.Or(hosts[i].ClientAuth, l.ClientAuth)
	}
}

// hostIndex is which of the hosts' settings a host has; -1 if none. Its own come before those for
// names with a label more.
func hostIndex(host string, hosts []config.TLSHost) int {
	name := string(route.AppendHost(nil, []byte(host)))
	_, parent, _ := strings.Cut(name, ".")
	for _, wanted := range []string{name, "*." + parent} {
		if i := slices.IndexFunc(hosts, func(h config.TLSHost) bool { return strings.EqualFold(h.Host, wanted) }); i >= 0 {
			return i
		}
	}
	return -1
}

func resultOf(e proxy.Explanation) string {
	switch {
	case e.Forwards:
		return api.Forwarded
	case e.Reason == "":
		return api.Responded
	}
	return api.RefusedIt
}

// missedRoute is a route that a request doesn't get, in the words of the configuration.
func missedRoute(miss route.Miss, of api.Route) api.MissedRoute {
	view := api.MissedRoute{Route: of.Name}
	if miss.Host {
		view.Host = of.Host
	}
	if miss.Path {
		view.Path = of.PathPrefix
	}
	if miss.Method {
		view.Methods = strings.Join(of.Methods, ", ")
	}
	for _, name := range miss.Headers {
		view.Headers = append(view.Headers, name+": "+of.MatchHeaders[name])
	}
	return view
}

// explainedLimit is what a limit says, by its key in the configuration.
func explainedLimit(l *proxy.ExplainedLimit, loaded config.Loaded) api.ExplainedLimit {
	key := config.Join("limits", l.Name)
	view := api.ExplainedLimit{
		Limit: l.Name, Result: "limited", Key: loaded.Sources.Shown(config.Join(key, "key"), l.Key), Cost: l.Cost,
	}
	switch {
	case l.Preflight:
		view.Result, view.ExemptBy = "exempt", config.Join(key, "exempt_preflights")
		return view
	case l.Exempt:
		view.Result, view.ExemptBy = "exempt", config.Element(config.Join(key, "exempt"), l.ExemptBy)
		return view
	case l.Allowed:
		view.Result = "allowed"
	}
	view.ClientID, view.Tokens, view.RetryAfter = l.ClientID, l.Remaining, l.RetryAfter.Seconds()
	view.Capacity, view.Refill = l.Settings.Capacity, &l.Settings.Refill
	view.NextToken = l.NextToken.Seconds()
	return view
}

// refusedRequest is a request that was refused as operators see it.
func refusedRequest(d outcome.Denial, ok bool) (api.RefusedRequest, bool) {
	view := api.RefusedRequest{
		Time: api.Moment{Time: d.Time}, RequestID: d.RequestID, Route: d.Route, Status: d.Status, Reason: d.Reason,
		Limit: d.Limit, ClientID: d.ClientID, OneIn: d.OneIn,
	}
	if d.ClientIP.IsValid() {
		view.ClientIP = string(identity.AppendAddr(nil, d.ClientIP))
	}
	return view, ok
}

// refusedClients are the clients that limits refuse most as operators see them.
func refusedClients(all []outcome.DeniedClient) (views []api.RefusedClient) {
	for _, c := range all {
		views = append(views, api.RefusedClient{Limit: c.Limit, ClientID: c.ClientID, Requests: c.Requests, Last: api.Moment{Time: c.Last}})
	}
	return views
}
