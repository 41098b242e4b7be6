package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// example is what config.toml sets: the defaults, one pool with nothing set except its backends,
// and one limit with nothing set.
func example() Config {
	c := Default()
	c.Server.TrustedProxies, c.Log.Headers = []string{}, []string{}
	p := DefaultPool()
	p.Backends = []Backend{
		DefaultBackend("http://localhost:8081"),
		DefaultBackend("http://localhost:8082"),
		DefaultBackend("http://localhost:8083"),
	}
	c.Pools = map[string]Pool{"default": p}
	c.Limits = map[string]Limit{"default": DefaultLimit()}
	return c
}

func TestTheFileWorksAsItStands(t *testing.T) {
	l, err := Load("config.toml", Options{})
	c, warnings := l.Config, l.Warnings
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, example(), c)
}

// uncommented is config.toml with every key that it leaves at its default switched on.
func uncommented(t *testing.T) string {
	data, err := os.ReadFile("config.toml")
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(data), "$1")
}

func TestTheFileShowsTheDefaults(t *testing.T) {
	document := uncommented(t)
	tree, syntax := parseTree("", []byte(document))
	require.Nil(t, syntax)
	c := Config{Pools: map[string]Pool{}, Limits: map[string]Limit{}} // no defaults: the file must set them all
	r := &report{Sources: Sources{lines: keyLines("", document)}}
	decoder{r}.table("", tree, reflect.ValueOf(&c).Elem())
	require.Empty(t, r.problems)

	want := example()
	want.Include = []string{}
	p := want.Pools["default"]
	p.Health.Statuses = c.Pools["default"].Health.Statuses
	require.Empty(t, p.Health.Statuses) // [] in the file
	p.Health.Headers = map[string]Secret{}
	p.Retry.Statuses = []balancer.StatusRange{}
	want.Pools["default"] = p
	want.Limits["default"] = withExemption(want.Limits["default"])
	l := want.Limits["default"]
	l.Tiers = c.Limits["default"].Tiers
	require.Empty(t, l.Tiers) // a table with nothing in it
	want.Limits["default"] = l
	want.Routes = []Route{shownRoute(want)}
	want = withListener(want)
	require.Equal(t, want, c)
}

// withListener adds the listener, the certificate and the host whose keys the file shows, with the
// keys in force that have no default. They would be refused, as they are empty.
func withListener(c Config) Config {
	c.Listeners = c.ListenersInForce()
	c.Listeners[0].RedirectPort = defaultHTTPS
	c.Listeners[0].ProxyProtocol = []string{}
	c.TLS.Certificates = []Certificate{{}}
	c.TLS.ACME.Domains, c.TLS.ACME.DNSHook = []string{}, []string{}
	c.TLS.Hosts = []TLSHost{{MinVersion: c.TLS.MinVersion, ClientAuth: authOff}}
	return c
}

// withExemption adds the entry whose keys the file shows. It would be refused, as it is empty.
func withExemption(l Limit) Limit {
	l.Exempt = []Exemption{{Networks: []string{}, Methods: []string{}, PathPrefixes: []string{}}}
	return l
}

// shownRoute is the route that the file shows: the one that is in force without routes, and every
// key that has no default but none. It would be refused, as it has both a redirect and a response.
func shownRoute(c Config) Route {
	r := c.RoutesInForce()[0]
	pool := c.Pools[r.Pool]
	r.ResponseTimeout, r.IdleTimeout, r.TotalTimeout = &pool.ResponseTimeout, &pool.IdleTimeout, &pool.TotalTimeout
	retry := pool.Retry
	retry.Statuses = []balancer.StatusRange{}
	r.Retry = &retry
	r.Limits, r.Methods, r.ExposeTo, r.Pools = []string{}, []string{}, []string{}, []RoutePool{}
	r.MatchHeaders, r.ErrorPages = map[string]string{}, map[string]string{}
	changes := HeaderChanges{Set: map[string]Secret{}, Add: map[string]Secret{}, Remove: []string{}}
	r.RequestHeaders, r.ResponseHeaders = changes, changes
	redirect, respond := DefaultRedirect(), DefaultRespond()
	r.Redirect, r.Respond = &redirect, &respond
	return r
}

func TestTheFileHasEveryKey(t *testing.T) {
	inFile := map[string]bool{}
	for key := range keyLines("", uncommented(t)) {
		inFile[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "")] = true
	}
	want := map[string]bool{}
	c := example()
	c.Limits["default"] = withExemption(c.Limits["default"])
	c.Routes = []Route{shownRoute(c)}
	c = withListener(c)
	for name, field := range fieldsOf(reflect.ValueOf(c)) {
		addKeys(want, name, field)
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(inFile)))
}

// addKeys adds the path of a value and of all that is in it, without indexes.
func addKeys(keys map[string]bool, key string, value reflect.Value) {
	keys[key] = true
	if _, scalar := plainOf(value.Interface()); scalar {
		return
	}
	switch _, single := value.Interface().(interface{ MarshalText() ([]byte, error) }); {
	case single:
	case value.Kind() == reflect.Pointer:
		addKeys(keys, key, value.Elem())
	case value.Kind() == reflect.Struct:
		for name, field := range fieldsOf(value) {
			addKeys(keys, Join(key, name), field)
		}
	case value.Kind() == reflect.Map:
		for _, name := range value.MapKeys() {
			addKeys(keys, Join(key, name.String()), value.MapIndex(name))
		}
	case value.Kind() == reflect.Slice:
		for i := range value.Len() {
			addKeys(keys, key, value.Index(i))
		}
	}
}

func TestAConfigMadeInGoIsValidatedInFull(t *testing.T) {
	c := example()
	c.Server.MaxBody = -1
	p := c.Pools["default"]
	p.Strategy = ""
	p.Backends[0].State = "up"
	p.Health.Type = "icmp"
	p.Health.Statuses = []balancer.StatusRange{{First: 200, Last: 299}, {}}
	c.Pools["default"] = p
	l := DefaultLimit()
	l.Refill = gcra.Refill{}
	c.Limits["default"] = l
	require.EqualError(t, Problems(c.Validate()), `server.max_body: -1 is out of range; want at least 0
pools.default.strategy: unexpected ""; want round_robin, random, least_in_flight, p2c, peak_ewma, hash or sticky
pools.default.backends[0].state: unexpected "up"; want ready, drain or maint
pools.default.health.type: unexpected "icmp"; want http or tcp
pools.default.health.statuses[1]: statuses "0": "0" is not a status from 100 to 599; want one such as 204, or a range such as 200-299
limits.default.refill: 0/0s: amount 0 is below 1; want AMOUNT/DURATION, such as 1/1m`)
}

func TestTheDefaultsOnlyLackAPool(t *testing.T) {
	require.Equal(t, []Problem{{
		Key: "pools", Text: `there is none; want [pools.default] with backends = ["http://HOST:PORT"]`,
	}}, Default().Validate())
	require.Empty(t, example().Validate())
}
