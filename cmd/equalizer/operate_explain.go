package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const explainUsage = `equalizer explain asks a running process what would become of a request, and why: its
route and why not others, what each limit says and for whom, where it would go, and why
some backends get no requests. Nothing is sent to a backend, and no token is spent.

  equalizer explain http://shop.example.com/cart?id=1
  equalizer explain --method POST --header 'X-Api-Key: k' --client 192.0.2.1 URL
  equalizer explain REQUEST_ID

With the X-Request-ID of a request instead of a URL, it says why that one was refused,
for 10 minutes. Under a flood of them not all are kept.

  --method M         the request's method (default GET)
  --header 'N: V'    a header of it; give it once for each
  --client ADDRESS   who would connect (default 127.0.0.1)
` + adminFlagsUsage

// explainQuestion is what POST /explain takes.
type explainQuestion struct {
	Method  string   `json:"method"`
	Host    string   `json:"host"`
	Path    string   `json:"path"`
	Headers []string `json:"headers"`
	Client  string   `json:"client_ip"`
}

// runExplain is `equalizer explain`.
func runExplain(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("explain", explainUsage, t).withJSON()
	q := explainQuestion{Headers: []string{}}
	f.StringVar(&q.Method, "method", http.MethodGet, "")
	f.StringVar(&q.Client, "client", "127.0.0.1", "")
	f.Func("header", "", func(line string) error {
		q.Headers = append(q.Headers, line)
		return nil
	})
	words, err := parseWith(f.flagSet, args, 1)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0 || words[0] == "":
		return usageError{"explain wants the URL of a request, such as http://shop.example.com/cart, or the id of one that was refused"}
	case !strings.Contains(words[0], "://"):
		return f.explainRefusal(ctx, t, words[0])
	case !q.of(words[0]):
		return usageError{fmt.Sprintf("unexpected URL %q; want one such as http://shop.example.com/cart", words[0])}
	}
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err := admin.Call(ctx, http.MethodPost, "/explain", q)
		if err != nil {
			return err
		}
		var e api.Explanation
		if err := admin.Decode(response, &e); err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return explanationText(e) })
	})
}

// explainRefusal prints why the request of an id was refused.
func (f *adminFlags) explainRefusal(ctx context.Context, t terminal, id string) error {
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		var r api.RefusedRequest
		response, err := admin.Get(ctx, api.RefusalPath(id), &r)
		if err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return refusalText(r, time.Now()) })
	})
}

func refusalText(r api.RefusedRequest, now time.Time) string {
	var rows table
	rows.add("result", fmt.Sprintf("%d %s, %s", r.Status, r.Reason, ago(r.Time.Time, now)))
	rows.add("route", r.Route)
	rows.add("client", r.ClientIP)
	if r.Limit != "" {
		rows.add("limit", fmt.Sprintf("%s, for %s: `equalizer buckets get` has its bucket", r.Limit, r.ClientID))
	}
	return rows.String()
}

// of takes host and path from a URL as they stand there. A fragment stays with browsers.
func (q *explainQuestion) of(url string) bool {
	url, _, _ = strings.Cut(url, "#")
	scheme, rest, found := strings.Cut(url, "://")
	if !found || scheme != "http" && scheme != "https" {
		return false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	q.Host, q.Path = rest[:end], rest[end:]
	if !strings.HasPrefix(q.Path, "/") {
		q.Path = "/" + q.Path
	}
	return q.Host != ""
}

// explanationText is an explanation for people: first what becomes of the request.
func explanationText(e api.Explanation) string {
	parts := []string{outcomeText(e)}
	if len(e.Listeners) > 0 {
		parts = append(parts, explainedListeners(e.Listeners).String())
	}
	if len(e.Limits) > 0 {
		parts = append(parts, explainedLimits(e.Limits).String())
	}
	for _, pool := range e.Pools {
		parts = append(parts, explainedPool(pool))
	}
	if len(e.OtherRoutes) > 0 {
		parts = append(parts, otherRoutes(e))
	}
	return strings.Join(parts, "\n")
}

func outcomeText(e api.Explanation) string {
	var rows table
	switch e.Result {
	case api.Forwarded:
		rows.add("result", "forwarded to pool "+*e.Pool)
	case api.Responded:
		rows.add("result", fmt.Sprintf("%d, a response of the proxy's own", e.Status))
	default:
		rows.add("result", fmt.Sprintf("%d %s", e.Status, refusedText(e)))
	}
	if e.Route != nil {
		rows.add("route", *e.Route)
	} else {
		rows.add("route", "none")
	}
	rows.add("path", e.Path)
	rows.add("client", e.ClientIP)
	return rows.String()
}

// refusedText is why a request is refused.
func refusedText(e api.Explanation) string {
	text := e.Reason
	if e.Field != "" {
		text += " of " + e.Field
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// explainedListeners tells what each listener does before a request has the result above.
func explainedListeners(all []api.Listener) table {
	rows := table{{"LISTENER", "TLS", "WHAT IT DOES", "CLIENT CERTIFICATE", "PROXY HEADER FROM"}}
	for _, l := range all {
		does, least, from := "serves", "", strings.Join(l.ProxyProtocol, " ")
		if l.RedirectPort > 0 {
			does = fmt.Sprintf("redirects to https, port %d", l.RedirectPort)
		}
		if l.TLS {
			least = "from " + l.MinVersion
		}
		rows.add(l.Listen, least, does, l.ClientAuth, from)
	}
	return rows
}

func explainedLimits(all []api.ExplainedLimit) table {
	rows := table{{"LIMIT", "RESULT", "CLIENT", "KEY", "COST", "TOKENS", "OF", "REFILL", "NEXT IN", "ENOUGH IN", "TIER", "SET BY"}}
	for _, l := range all {
		if l.ExemptBy != "" {
			rows.add(l.Limit, l.Result+" by "+l.ExemptBy, "", l.Key, l.Cost, "", "", "", "", "", "", "")
			continue
		}
		by := "default"
		if l.Managed {
			by = "operator"
		}
		rows.add(l.Limit, l.Result, l.ClientID, l.Key, l.Cost, l.Tokens, l.Capacity, l.Refill, within(l.NextToken), within(l.RetryAfter), l.Tier, by)
	}
	return rows
}

// within is a wait of so many seconds; "" for none.
func within(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return brief(time.Duration(seconds * float64(time.Second)))
}

func explainedPool(pool api.ExplainedPool) string {
	rows := table{{"POOL", "BACKEND", "AVAILABLE", "WHY NOT"}}
	for _, b := range pool.Backends {
		available := "no"
		if b.Available {
			available = "yes"
		}
		rows.add(pool.Pool, b.Backend, available, b.Why)
	}
	return rows.String()
}

func otherRoutes(e api.Explanation) string {
	rows := table{{"OTHER ROUTE", "WHY NOT"}}
	for _, m := range e.OtherRoutes {
		rows.add(m.Route, missText(m))
	}
	text := rows.String()
	if e.MoreRoutes > 0 {
		text += fmt.Sprintf("and %s\n", count(e.MoreRoutes, "more route"))
	}
	return text
}

// missText is what a route wants that the request hasn't.
func missText(m api.MissedRoute) string {
	var wants []string
	for _, want := range []struct{ what, of string }{
		{"host ", m.Host}, {"path ", m.Path}, {"method ", m.Methods}, {"header ", strings.Join(m.Headers, " and ")},
	} {
		if want.of != "" {
			wants = append(wants, want.what+want.of)
		}
	}
	if len(wants) == 0 {
		return "it matches, but another one comes first"
	}
	return "wants " + strings.Join(wants, ", ")
}
