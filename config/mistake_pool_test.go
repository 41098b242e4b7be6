package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

func TestNumberOfPools(t *testing.T) {
	const none = `pools: there is none; want [pools.default] with backends = ["http://HOST:PORT"]`
	refused(t, "", "c.toml: "+none)
	refused(t, "[pools]\n", "c.toml:1: "+none)
	refused(t, "[pools.a]\nbackends = [\"http://a\"]\n[pools.b]\nbackends = [\"ftp://b\"]\n",
		"c.toml:1: pools: there are 2, a and b, and no routes; want one, or [[routes]] that choose between them",
		`c.toml:4: pools.b.backends[0].url: "ftp://b": scheme "ftp" is not http, https or unix; want http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
	)
}

func TestNames(t *testing.T) {
	const want = "; want 1 to 64 letters, digits, dashes and underscores"
	refused(t, "[pools.\"a b\"]\nbackends = [\"http://a\"]\n[limits.\"\"]\n",
		`c.toml:1: pools."a b": bad name "a b"`+want,
		`c.toml:3: limits."": bad name ""`+want,
	)
	refused(t, "[pools."+strings.Repeat("a", 65)+"]\nbackends = []\n",
		`c.toml:1: pools.`+strings.Repeat("a", 65)+`: bad name "`+strings.Repeat("a", 65)+`"`+want,
		`c.toml:2: pools.`+strings.Repeat("a", 65)+`.backends: there is none; want backends = ["http://HOST:PORT"]`,
	)
	accepted(t, "[pools.My_pool-2]\nbackends = [\"http://a\"]\n[limits.0]\n")
}

func TestBackendURLs(t *testing.T) {
	f := func(url, why string) {
		t.Helper()
		refused(t, "[pools.default]\nbackends = [\n  \"http://localhost:8081\",\n  { url = \""+url+"\" },\n]\n",
			"c.toml:4: pools.default.backends[1].url: "+why+"; want http://HOST:PORT, https://HOST:PORT or unix:///PATH")
	}
	f("", "there is none")
	f("localhost:8082", `"localhost:8082": no http:// in front`)
	f("/srv", `"/srv": no http:// in front`)
	f("ftp://x", `"ftp://x": scheme "ftp" is not http, https or unix`)
	f("://x", `"://x": scheme "" is not http, https or unix`)
	f("http://a/", `"http://a/": a slash at the end`)
	f("http://a/v1", `"http://a/v1": a path, but a backend gets the path that the client asked for`)
	f("http://a?b=c", `"http://a?b=c": a query, but a backend gets the query that the client sent`)
	f("http://a#b", `"http://a#b": a fragment, but these are never sent`)
	f("http://user:hunter2@a", `"http://***@a": a user and password are not sent to backends`)
	f("http://user:hun/ter2@a/b@c", `"http://***@c": a user and password are not sent to backends`)
	f("http://", `"http://": no host`)
	f("http://:80", `"http://:80": no host`)
	f("http://a:", `"http://a:": no port`)
	f("http://a:0", `"http://a:0": port 0 can't be connected to`)
	f("http://a:65536", `"http://a:65536": port "65536" is not a number from 0 to 65535`)
	f("http://a:b", `"http://a:b": port "b" is not a number from 0 to 65535`)
	f("http://a b", `"http://a b": "a b" is neither a host's name nor an IP address`)
	f("http://a,b", `"http://a,b": "a,b" is neither a host's name nor an IP address`)
	f("http://1.2.3", `"http://1.2.3": "1.2.3" is neither a host's name nor an IP address`)
	f("http://münchen", `"http://münchen": "münchen" is neither a host's name nor an IP address`)
	f("http://::1", `"http://::1": an IPv6 address needs brackets, as in [::1]:8000`)
	f("http://[::1", `"http://[::1": no closing bracket at the host's end`)
	f("http://[a]:80", `"http://[a]:80": "[a]" is not an IPv6 address in brackets`)
	f("http://a\\n:80", `"http://a\n:80": "a\n" is neither a host's name nor an IP address`)
	f("https://a/v1", `"https://a/v1": a path, but a backend gets the path that the client asked for`)
	f("https://u:hunter2@a", `"https://***@a": a user and password are not sent to backends`)
	f("https://", `"https://": no host`)
	f("https://a:", `"https://a:": no port`)
	f("https://::1:443", `"https://::1:443": an IPv6 address needs brackets, as in [::1]:8000`)
	f("http://"+strings.Repeat("a", 300), `"http://`+strings.Repeat("a", 113)+`...": "`+strings.Repeat("a", 120)+
		`..." is neither a host's name nor an IP address`)
}

func TestBackendSockets(t *testing.T) {
	f := func(url, why string) {
		t.Helper()
		refused(t, "[pools.default]\nbackends = [\""+url+"\"]\n",
			"c.toml:2: pools.default.backends[0].url: "+why+"; want http://HOST:PORT, https://HOST:PORT or unix:///PATH")
	}
	f("unix:/run/app.sock", `"unix:/run/app.sock": unix: without a //`)
	f("unix://", `"unix://": the socket's path must start with a slash`)
	f("unix://run/app.sock", `"unix://run/app.sock": the socket's path must start with a slash`)
	f("unix://@app", `"unix://***@app": the socket's path must start with a slash`)
	f("unix:///", `"unix:///": no path of a socket`)
	f("unix:///run/", `"unix:///run/": the shortest way to write this path is "/run"`)
	f("unix:////run//../app.sock", `"unix:////run//../app.sock": the shortest way to write this path is "/app.sock"`)
	f("unix:///run/app.sock?x", `"unix:///run/app.sock?x": a ?, # or % in the socket's path`)
	f("unix:///run/app#1", `"unix:///run/app#1": a ?, # or % in the socket's path`)
	f("unix:///run/my%20app", `"unix:///run/my%20app": a ?, # or % in the socket's path`)
	f("unix:///run/a\\nb", `"unix:///run/a\nb": a control character in the socket's path`)
	f("unix:///run/a\\u0000", `"unix:///run/a\x00": a control character in the socket's path`)
	long := "/" + strings.Repeat("a", longestSocket)
	f("unix://"+long, fmt.Sprintf("%s: a path of %d bytes, and the system takes %d for a socket", show("unix://"+long), len(long), longestSocket))
	accepted(t, "[pools.default]\nbackends = [\"unix://"+long[:longestSocket]+"\", \"UNIX:///run/app@1.sock\"]\n")
}

func TestBackendAddr(t *testing.T) {
	f := func(url, want string) {
		t.Helper()
		require.Equal(t, want, DefaultBackend(url).Addr())
	}
	f("http://localhost:8081", "localhost:8081")
	f("http://LocalHost", "localhost:80")
	f("HTTP://a_b.example.com.:1", "a_b.example.com.:1")
	f("http://192.0.2.1:0080", "192.0.2.1:80")
	f("http://[2001:DB8::1]", "[2001:db8::1]:80")
	f("http://[fe80::1%eth0]:8080", "[fe80::1%eth0]:8080")
	f("https://LocalHost", "localhost:443")
	f("https://[::1]:8443", "[::1]:8443")
	f("unix:///Run/App.sock", "/Run/App.sock")
	f("ftp://a", "")
	f("", "")
}

func TestBackendServerName(t *testing.T) {
	f := func(url, want string) {
		t.Helper()
		require.Equal(t, want, DefaultBackend(url).ServerName())
	}
	f("https://Example.COM", "example.com")
	f("HTTPS://example.com:8443", "example.com")
	f("https://192.0.2.1", "192.0.2.1")
	f("https://[2001:DB8::1]:443", "2001:db8::1")
	f("https://[fe80::1%eth0]", "fe80::1")
	f("http://example.com", "")
	f("unix:///run/app.sock", "")
	f("https://", "")
}

func TestTLSMistakes(t *testing.T) {
	const secure = "[pools.default]\nbackends = [\"https://a\", \"http://b\"]\n"
	const nothing = ": pools.default.tls: means nothing without a backend by https; want one, or no pools.default.tls"
	refused(t, pool+"[pools.default.tls]\nca = \"\"\n", "c.toml:3"+nothing)
	refused(t, pool+"tls.verify = true\n", "c.toml:3"+nothing)
	refused(t, "[pools.default]\nbackends = [\"unix:///run/app.sock\"]\n[pools.default.tls]\nverify = false\n", "c.toml:3"+nothing)
	refused(t, "[pools.default]\nbackends = [\"ftp://a\"]\ntls.verify = false\n",
		`c.toml:2: pools.default.backends[0].url: "ftp://a": scheme "ftp" is not http, https or unix; want http://HOST:PORT, https://HOST:PORT or unix:///PATH`)
	refused(t, secure+"[pools.default.tls]\nca = \"ca.pem\"\nverify = false\nserver_name = \"a:443\"\ncert = \"c.pem\"\n",
		"c.toml:4: pools.default.tls.ca: means nothing with verify = false, which takes every certificate; want verify = true, or no ca",
		`c.toml:6: pools.default.tls.server_name: "a:443" is neither a host's name nor an IP address; want a name that the backends' certificates are for`,
		`c.toml:7: pools.default.tls.cert: "c.pem" is of no use without its key; want pools.default.tls.key too`,
	)
	refused(t, secure+"[pools.default.tls]\nkey = \"k.pem\"\nverify = \"yes\"\nname = 1\n",
		`c.toml:4: pools.default.tls.key: "k.pem" is of no use without its certificate; want pools.default.tls.cert too`,
		`c.toml:5: pools.default.tls.verify: "yes" is a string; want true or false`,
		"c.toml:6: pools.default.tls.name: unknown key; want ca, cert, key, server_name or verify",
	)
	accepted(t, secure)
	for _, name := range []string{"backend.internal", "192.0.2.1", "::1"} {
		c := accepted(t, secure+"[pools.default.tls]\nca = \"ca.pem\"\nserver_name = \""+name+"\"\ncert = \"c.pem\"\nkey = \"k.pem\"\n")
		require.Equal(t, TLS{CA: "ca.pem", ServerName: name, Cert: "c.pem", Key: "k.pem", Verify: true}, c.Pools["default"].TLS)
	}
	accepted(t, secure+"tls = { verify = false, server_name = \"a\" }\n")
}

func TestBackendsAreDifferent(t *testing.T) {
	refused(t, `[pools.default]
backends = [
  "http://a",
  "http://b:8080",
  { url = "http://A:80", weight = 2 },
  "http://b:8080",
  "https://B:8080",
  "unix:///run/app.sock",
  "unix:///run/app.sock",
]
`,
		`c.toml:5: pools.default.backends[2].url: "http://A:80" is the address of pools.default.backends[0] too; want each once, with a weight for a larger share`,
		`c.toml:6: pools.default.backends[3].url: "http://b:8080" is the address of pools.default.backends[1] too; want each once, with a weight for a larger share`,
		`c.toml:7: pools.default.backends[4].url: "https://B:8080" is the address of pools.default.backends[1] too; want each once, with a weight for a larger share`,
		`c.toml:9: pools.default.backends[6].url: "unix:///run/app.sock" is the address of pools.default.backends[5] too; want each once, with a weight for a larger share`,
	)
}

func TestBackendTables(t *testing.T) {
	refused(t, `[[pools.default.backends]]
url = "http://a"
weight = 0
[[pools.default.backends]]
url = "http://b"
weight = 101
state = "down"
[[pools.default.backends]]
weight = "2"
`,
		"c.toml:3: pools.default.backends[0].weight: 0 is out of range; want 1 to 100",
		"c.toml:6: pools.default.backends[1].weight: 101 is out of range; want 1 to 100",
		`c.toml:7: pools.default.backends[1].state: unexpected state "down"; want ready, drain or maint`,
		`c.toml:9: pools.default.backends[2].weight: "2" is a string; want a whole number`,
		"c.toml: pools.default.backends[2].url: there is none; want http://HOST:PORT, https://HOST:PORT or unix:///PATH",
	)
	c := accepted(t, `[pools.default]
backends = [ "http://a", { url = "http://b", weight = 100, state = "maint" } ]`)
	require.Equal(t, []Backend{{URL: "http://a", Weight: 1, State: balancer.Ready}, {URL: "http://b", Weight: 100, State: balancer.Maint}}, c.Pools["default"].Backends)
}

func TestPoolMistakes(t *testing.T) {
	refused(t, `[pools.default]
strategy = "round-robin"
backends = []
host = "http://example.com"
connect_timeout = "0s"
response_timeout = "25h"
idle_timeout = "-5s"
total_timeout = "10"
max_connections = 0
max_response_header = "1023B"
client_share = 0
keep_alive = "0s"
max_connection_age = "25h"
`,
		`c.toml:2: pools.default.strategy: unexpected strategy "round-robin"; want round_robin, random, least_in_flight, p2c, peak_ewma, hash or sticky`,
		`c.toml:3: pools.default.backends: there is none; want backends = ["http://HOST:PORT"]`,
		`c.toml:4: pools.default.host: "http://example.com": a URL or a path, not an address; want HOST or HOST:PORT`,
		"c.toml:5: pools.default.connect_timeout: 0s is out of range; want 1ms to 24h",
		"c.toml:6: pools.default.response_timeout: 25h is out of range; want 1ms to 24h",
		`c.toml:7: pools.default.idle_timeout: "-5s": below 0; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		`c.toml:8: pools.default.total_timeout: "10": no unit; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		"c.toml:9: pools.default.max_connections: 0 is out of range; want 1 to 1000000",
		"c.toml:10: pools.default.max_response_header: 1023 is out of range; want 1KiB to 1MiB, as a response may take memory of this size",
		"c.toml:11: pools.default.client_share: 0 is out of range; want more than 0, and at most 1",
		"c.toml:12: pools.default.keep_alive: 0s is out of range; want 1ms to 24h",
		"c.toml:13: pools.default.max_connection_age: 25h is out of range; want 1ms to 24h, or 0s for none",
	)
	refused(t, pool+"max_response_header = \"2MiB\"\n",
		"c.toml:3: pools.default.max_response_header: 2MiB is out of range; want 1KiB to 1MiB, as a response may take memory of this size")
	c := accepted(t, pool+"max_response_header = \"1MiB\"\n")
	require.Equal(t, MiB, c.Pools["default"].MaxResponseHeader)
	for share, shown := range map[string]string{"1.01": "1.01", "-0.5": "-0.5", "nan": "NaN", "inf": "+Inf", "2": "2"} {
		refused(t, pool+"client_share = "+share+"\n",
			"c.toml:3: pools.default.client_share: "+shown+" is out of range; want more than 0, and at most 1")
	}
	refused(t, pool+"client_share = \"half\"\n",
		`c.toml:3: pools.default.client_share: "half" is a string; want a number, such as 0.5`)
	c = accepted(t, pool+"client_share = 1\nmax_connection_age = \"0s\"\n")
	require.Equal(t, 1.0, c.Pools["default"].ClientShare)
	require.Zero(t, c.Pools["default"].MaxConnectionAge)
	refused(t, pool+"host = \":80\"\ntotal_timeout = \"5ns\"\nmax_connections = 1000001\n",
		`c.toml:3: pools.default.host: ":80": no host; want HOST or HOST:PORT`,
		"c.toml:4: pools.default.total_timeout: 5ns is out of range; want 1ms to 24h, or 0s for none",
		"c.toml:5: pools.default.max_connections: 1000001 is out of range; want 1 to 1000000",
	)
	accepted(t, pool+"host = \"example.com:8080\"\ntotal_timeout = \"0s\"\nstrategy = \"random\"\n")
}

func TestHealthMistakes(t *testing.T) {
	refused(t, pool+`[pools.default.health]
type = "https"
path = "healthz"
host = "a/b"
statuses = ["200-299", "300-200", "abc", "99"]
interval = "0s"
timeout = "48h"
rise = 0
fall = 101
`,
		`c.toml:4: pools.default.health.type: unexpected health type "https"; want http or tcp`,
		`c.toml:5: pools.default.health.path: "healthz"; want a path that starts with a slash and has only visible ASCII characters and no #`,
		`c.toml:6: pools.default.health.host: "a/b": a URL or a path, not an address; want HOST or HOST:PORT`,
		`c.toml:7: pools.default.health.statuses[1]: statuses "300-200": it ends before it starts; want one such as 204, or a range such as 200-299`,
		`c.toml:7: pools.default.health.statuses[2]: statuses "abc": "abc" is not a status from 100 to 599; want one such as 204, or a range such as 200-299`,
		`c.toml:7: pools.default.health.statuses[3]: statuses "99": "99" is not a status from 100 to 599; want one such as 204, or a range such as 200-299`,
		"c.toml:8: pools.default.health.interval: 0s is out of range; want 1ms to 24h",
		"c.toml:9: pools.default.health.timeout: 48h is out of range; want 1ms to 24h",
		"c.toml:10: pools.default.health.rise: 0 is out of range; want 1 to 100",
		"c.toml:11: pools.default.health.fall: 101 is out of range; want 1 to 100",
	)
	for _, path := range []string{"", "/a b", "/a#b", "/ä", "/\\n"} {
		_, err := Parse("c.toml", []byte(pool+"health.path = \""+path+"\"\n"), Options{})
		require.ErrorContains(t, err, "c.toml:3: pools.default.health.path: \""+path+"\"; want a path")
	}
	c := accepted(t, pool+"[pools.default.health]\npath = \"/up?full=1\"\nhost = \"[::1]:80\"\nstatuses = [\"204\", \"300-399\"]\n")
	require.Equal(t, []balancer.StatusRange{{First: 204, Last: 204}, {First: 300, Last: 399}}, c.Pools["default"].Health.Statuses)
}

func TestResolverMistakes(t *testing.T) {
	refused(t, pool+"resolve_interval = \"500ms\"\nresolver = \"a:0\"\n",
		"c.toml:3: pools.default.resolve_interval: 500ms is out of range; want 1s to 24h, or 0s to leave names to connects",
		`c.toml:4: pools.default.resolver: "a:0": no host, or no port; want HOST:PORT, such as 127.0.0.1:53`,
	)
	refused(t, pool+"resolver = \"127.0.0.1\"\nresolve_interval = \"5s\"\n",
		`c.toml:3: pools.default.resolver: "127.0.0.1": no port; want HOST:PORT, such as 127.0.0.1:53`)
	refused(t, pool+"resolver = \"127.0.0.1:53\"\n",
		"c.toml:3: pools.default.resolver: means nothing without resolve_interval; want that, or no resolver")
	accepted(t, pool+"resolver = \"[::1]:8600\"\nresolve_interval = \"5s\"\n")
}

func TestProbeRequestMistakes(t *testing.T) {
	refused(t, pool+`[pools.default.health]
method = "POST"
port = 65536
headers = { "A B" = "x", Host = "a", Connection = "close", A = "x\ny" }
match_body = "a(b"
advice_header = "a b"
`,
		`c.toml:4: pools.default.health.method: unexpected "POST"; want GET, HEAD or OPTIONS`,
		"c.toml:5: pools.default.health.port: 65536 is out of range; want 1 to 65535, or 0 for the backend's own",
		"c.toml:6: pools.default.health.headers.A: a control character in the value; want none",
		"c.toml:6: pools.default.health.headers.\"A B\": no header name; want one such as X-Tenant",
		"c.toml:6: pools.default.health.headers.Connection: this field is for one connection only; want one that goes end to end",
		`c.toml:6: pools.default.health.headers.Host: the probe's Host is a key of its own; want host = "NAME"`,
		"c.toml:7: pools.default.health.match_body: error parsing regexp: missing closing ): `a(b`; want a regular expression of RE2, such as \"^ok\"",
		`c.toml:8: pools.default.health.advice_header: "a b"; want the name of a header, such as X-Equalizer-Weight`,
	)
	refused(t, pool+"[pools.default.health]\nmethod = \"HEAD\"\nmatch_body = \"ok\"\n",
		`c.toml:5: pools.default.health.match_body: a response to HEAD has no body; want method = "GET", or no match_body`)
	refused(t, "[pools.default]\nbackends = [\"unix:///run/a\"]\nhealth.port = 81\n",
		`c.toml:3: pools.default.health.port: 81: "unix:///run/a" is a unix socket, which has no ports; want such backends in a pool of their own`)
	c := accepted(t, pool+"[pools.default.health]\nport = 81\nmethod = \"OPTIONS\"\nheaders = { Authorization = \"Bearer x\" }\n")
	require.Equal(t, map[string]Secret{"Authorization": "Bearer x"}, c.Pools["default"].Health.Headers)
}

func TestProbesDoNotPileUp(t *testing.T) {
	refused(t, pool+"[pools.default.health]\ninterval = \"3s\"\ntimeout = \"3001ms\"\n",
		"c.toml:5: pools.default.health.timeout: the timeout, 3.001s, is longer than the interval, 3s; want at most that")
	refused(t, pool+"[pools.default.health]\ntimeout = \"1m\"\n",
		"c.toml:4: pools.default.health.timeout: the timeout, 1m, is longer than the interval, 5s; want at most that")
	refused(t, pool+"[pools.default.health]\n\ninterval = \"1s\"\n",
		"c.toml:5: pools.default.health.interval: the timeout, 2s, is longer than the interval, 1s; want at most that")
	refused(t, pool+"[pools.default.health]\ninterval = 10\ntimeout = \"7s\"\n", // nobody knows what the interval was to be
		"c.toml:4: pools.default.health.interval: 10: no unit; want a string such as \"5s\" or \"500ms\"")
	accepted(t, pool+"[pools.default.health]\ninterval = \"50ms\"\ntimeout = \"50ms\"\n")
}

func TestTCPProbesOnlyConnect(t *testing.T) {
	const why = `: means nothing with type = "tcp", which only connects; want type = "http", or no `
	refused(t, pool+"[pools.default.health]\ntype = \"tcp\"\nstatuses = []\nhost = \"a\"\npath = \"/\"\n",
		"c.toml:5: pools.default.health.statuses"+why+"statuses",
		"c.toml:6: pools.default.health.host"+why+"host",
		"c.toml:7: pools.default.health.path"+why+"path",
	)
	accepted(t, pool+"health.type = \"tcp\"\n")
}
