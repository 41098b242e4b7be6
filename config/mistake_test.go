package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pool is the smallest valid document.
const pool = "[pools.default]\nbackends = [\"http://localhost:8081\"]\n"

// refused parses a document and wants exactly these problems, in this order.
func refused(t *testing.T, document string, want ...string) {
	t.Helper()
	_, err := Parse("c.toml", []byte(document), Options{})
	require.Error(t, err)
	require.Equal(t, want, strings.Split(err.Error(), "\n"))
}

// accepted parses a document that has nothing wrong with it.
func accepted(t *testing.T, document string) Config {
	t.Helper()
	l, err := Parse("c.toml", []byte(document), Options{})
	c := l.Config
	require.NoError(t, err)
	require.Empty(t, c.Validate())
	return c
}

func TestSyntaxStopsAtTheFirst(t *testing.T) {
	f := func(document, want string) {
		t.Helper()
		refused(t, document, want)
	}
	f("[server\nlisten = 5", "c.toml:1: expected '.' or ']' to end table name, but got '\\n' instead")
	f("a = 1\n\n[server]\nlisten = \":80\" \"x\"\nfoo = 1",
		"c.toml:4: expected a top-level item to end with a newline, comment, or EOF, but got '\"' instead")
	f("[log]\nlevel = warn", `c.toml:2: expected value but found "warn" instead`)
	f("[log]\nlevel = \"info\n", "c.toml:2: strings cannot contain newlines")
	f("[log]\nlevel = \"info\nformat = 1\n", "c.toml:2: strings cannot contain newlines")
	f("[log]\nlevel = 'info\r\nformat = 1\n", "c.toml:2: strings cannot contain newlines")
	f("\"\r\n", "c.toml:1: strings cannot contain newlines")
	f("[log]\nlevel = \"info", "c.toml:2: unexpected EOF; expected '\"'")
	f("[log]\nlevel = \"info\"\n\nlevel = \"warn\"\n", "c.toml:4: Key 'log.level' has already been defined.")
	f("[log]\n[server]\n[log]\n", "c.toml:3: Key 'log' has already been defined.")
	f("[limits.default]\ncapacity = 99999999999999999999\n", "c.toml:2: 99999999999999999999 is out of range for int64")
	f("[log]\n# caf\xe9\n", "c.toml:2: not UTF-8; want a TOML file in UTF-8")
	f("\xff\xfe[\x00l\x00", "c.toml:1: not UTF-8; want a TOML file in UTF-8")
	f("[\x00l\x00", "c.toml:1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8")
	f("[log]\nlevel = \"\\", "c.toml:2: invalid escape in string '\\\x00'")
	f("[log]\nlevel =\n", "c.toml:2: expected value but found '\\n' instead")
	f("[log]\nlevel\n= \"info\"\n", "c.toml:2: expected '.' or '=', but got '\\n' instead")
	f("level = \n\"info\"\n", "c.toml:1: expected value but found '\\n' instead")
	f("[log]\n\x01", "c.toml:2: TOML files cannot contain control characters: '0x01'")
	f("\ufeff[log]\n[", "c.toml:2: unexpected end of table name (table names cannot be empty)")
	f("a = '''\n\n\n", "c.toml:3: unexpected EOF; expected \"'''\"")
	f("{\"server\": {}}", "c.toml:1: expected '.' or '=', but got '{' instead")
}

func TestSyntaxErrorsHideSecrets(t *testing.T) {
	for _, document := range []string{
		"[admin]\ntoken = hunter2\n", "admin.token = hunter2", "admin = { token = hunter2 }",
		"[admin]\ntoken = \"x\" hunter2", "[store.postgres]\n\"password\" = hunter2", "[store.postgres]\nPassword = hunter2",
		"[[routes]]\nrequest_headers = { set = { Authorization = hunter2 } }", "[routes.request_headers.set]\nAuthorization = hunter2",
		"[store]\nkey = hunter", "store.key = hunter", "store = { path = \"a\", key = hunter }",
		"[admin]\ntoken = \"\"\"\nx\\hunter2\"\"\"",
	} {
		_, err := Parse("c.toml", []byte(document), Options{})
		require.ErrorContains(t, err, "not valid TOML; what is wrong isn't shown, as it could be part of a secret")
		require.NotContains(t, err.Error(), "hunter")
	}
	_, err := Parse("c.toml", []byte("[limits.default]\nkey = ip\n"), Options{})
	require.EqualError(t, err, `c.toml:2: expected value but found "ip" instead`)
}

func TestUnknownKeys(t *testing.T) {
	refused(t, "lsiten = 1\n[server]\nlsiten = \":80\"\nMax-Header = 5\n[admin]\ntokken = \"hunter2\"\npass = 1\n[servers]\nx = 1\n"+pool,
		"c.toml:1: lsiten: unknown key; want admin, include, limits, listeners, log, pools, routes, server, store or tls",
		"c.toml:3: server.lsiten: unknown key; did you mean listen?",
		"c.toml:4: server.Max-Header: unknown key; did you mean max_header?",
		"c.toml:6: admin.tokken: unknown key; did you mean token?",
		"c.toml:7: admin.pass: unknown key; want cert, insecure, key, listen, read_token, read_token_file, token or token_file",
		"c.toml:8: servers: unknown key; did you mean server?",
	)
	refused(t, "[pools.default]\nbackends = [\n\"http://a\",\n{ url = \"http://b\", wieght = 2, \"x.y\" = 1 }]\n",
		"c.toml:4: pools.default.backends[1].wieght: unknown key; did you mean weight?",
		`c.toml:4: pools.default.backends[1]."x.y": unknown key; want backup, max_in_flight, state, url or weight`,
	)
	refused(t, "[[pools.default.backends]]\nurl = \"http://a\"\n[[pools.default.backends]]\nurl = \"http://b\"\nup = true\n",
		"c.toml:5: pools.default.backends[1].up: unknown key; want backup, max_in_flight, state, url or weight")
	refused(t, pool+"[pools.default.health]\ninterval = \"5s\"\nflush_interval = \"1s\"\n",
		"c.toml:5: pools.default.health.flush_interval: unknown key; want advice_header, fall, headers, host, interval, match_body, method, path, port, rise, statuses, timeout or type")
}

func TestWrongTypes(t *testing.T) {
	refused(t, `
server = { listen = 8000, trusted_proxies = "10.0.0.0/8", max_header = 1.5, max_body = -1, header_timeout = 10, idle_timeout = 2.5 }
[admin]
listen = ["127.0.0.1:8080"]
token = 123456789012345678
[pools.default]
strategy = 1
backends = "http://localhost:8081"
max_connections = "many"
connect_timeout = true
[pools.default.health]
statuses = [200, "2xx"]
rise = 2.0
[limits.default]
key = 2026-11-23
secret = "true"
capacity = 10.5
refill = 5
[store]
postgres = "postgres://user:hunter2@db/equalizer"
[log]
level = { a = 1 }
access = 1
`,
		"c.toml:2: server.header_timeout: 10: no unit; want a string such as \"5s\" or \"500ms\"",
		"c.toml:2: server.idle_timeout: 2.5: no unit; want a string such as \"5s\" or \"500ms\"",
		"c.toml:2: server.listen: 8000 is an integer; want a string",
		"c.toml:2: server.max_body: \"-1\": below 0; want bytes, or a whole number with B, KiB, MiB, GiB or TiB, such as \"16KiB\"",
		"c.toml:2: server.max_header: 1.5 is a float; want bytes, or a string such as \"16KiB\"",
		"c.toml:2: server.trusted_proxies: \"10.0.0.0/8\" is a string; want an array, [...]",
		"c.toml:4: admin.listen: an array; want a string",
		"c.toml:5: admin.token: an integer; want a string",
		"c.toml:7: pools.default.strategy: 1 is an integer; want a string",
		"c.toml:8: pools.default.backends: \"http://localhost:8081\" is a string; want an array, [...]",
		"c.toml:9: pools.default.max_connections: \"many\" is a string; want a whole number",
		"c.toml:10: pools.default.connect_timeout: true is a boolean; want a string such as \"5s\" or \"500ms\"",
		"c.toml:12: pools.default.health.statuses[0]: 200 is an integer; want a string, such as \"401\" or \"200-299\"",
		"c.toml:12: pools.default.health.statuses[1]: statuses \"2xx\": \"2xx\" is not a status from 100 to 599; want one such as 204, or a range such as 200-299",
		"c.toml:13: pools.default.health.rise: 2 is a float; want a whole number",
		"c.toml:15: limits.default.key: a date or time; want a string",
		"c.toml:16: limits.default.secret: \"true\" is a string; want true or false",
		"c.toml:17: limits.default.capacity: 10.5 is a float; want a whole number",
		"c.toml:18: limits.default.refill: 5 is an integer; want a string, such as \"1/1m\"",
		"c.toml:20: store.postgres: a string; want a table, [store.postgres]",
		"c.toml:22: log.level: a table; want a string",
		"c.toml:23: log.access: 1 is an integer; want true or false",
	)
}

func TestWrongShapes(t *testing.T) {
	refused(t, "pools = \"http://localhost\"\nlimits = 10\nserver = [1]\nadmin = \"hunter2\"\n",
		"c.toml:1: pools: a string; want tables with a name each, such as [pools.default]",
		"c.toml:2: limits: an integer; want tables with a name each, such as [limits.default]",
		"c.toml:3: server: an array; want a table, [server]",
		"c.toml:4: admin: a string; want a table, [admin]",
	)
	refused(t, "[pools]\nstrategy = \"random\"\n", "c.toml:2: pools.strategy: a string; want a table, [pools.strategy]")
	refused(t, "[[pools]]\nstrategy = \"random\"\n[[limits]]\n",
		"c.toml:1: pools: an array of tables; want tables with a name each, such as [pools.default]",
		"c.toml:3: limits: an array of tables; want tables with a name each, such as [limits.default]",
	)
	refused(t, "[pools.default]\nbackends = [\n5,\n[\"http://a\"],\n\"http://b\"]\n",
		`c.toml:3: pools.default.backends[0]: an integer; want "http://HOST:PORT" or { url = "http://HOST:PORT", weight = 1 }`,
		`c.toml:4: pools.default.backends[1]: an array; want "http://HOST:PORT" or { url = "http://HOST:PORT", weight = 1 }`,
	)
}

func TestListeners(t *testing.T) {
	f := func(address, why string) {
		t.Helper()
		refused(t, "[server]\nlisten = \""+address+"\"\n"+pool,
			"c.toml:2: server.listen: \""+address+"\": "+why+"; want HOST:PORT or :PORT, such as \"127.0.0.1:8080\" or \":8000\"")
	}
	f("", "no port")
	f("localhost", "no port")
	f("localhost:", "no port")
	f("[::1]", "no port")
	f(":http", `port "http" is not a number from 0 to 65535`)
	f(":65536", `port "65536" is not a number from 0 to 65535`)
	f(":-1", `port "-1" is not a number from 0 to 65535`)
	f(":+1", `port "+1" is not a number from 0 to 65535`)
	f("::1:80", "an IPv6 address needs brackets, as in [::1]:8000")
	f("[::1:80", "no closing bracket at the host's end")
	f("[::1]a:80", "no closing bracket at the host's end")
	f("[127.0.0.1]:80", `"[127.0.0.1]" is not an IPv6 address in brackets`)
	f("[x]:80", `"[x]" is not an IPv6 address in brackets`)
	f("[fe80::1%a b]:80", `"[fe80::1%a b]" is not an IPv6 address in brackets`)
	f("256.0.0.1:80", `"256.0.0.1" is neither a host's name nor an IP address`)
	f("a b:80", `"a b" is neither a host's name nor an IP address`)
	f("-a:80", `"-a" is neither a host's name nor an IP address`)
	f("a..b:80", `"a..b" is neither a host's name nor an IP address`)
	f("unix:/run/equalizer.sock", "a URL or a path, not an address")
	f("http://localhost:80", "a URL or a path, not an address")

	for _, address := range []string{":0", "0.0.0.0:1", "[::]:65535", "localhost:80", "my-host.example.com.:80", "[fe80::1%eth0]:80"} {
		require.Equal(t, address, accepted(t, "server.listen = \""+address+"\"\n"+pool).Server.Listen)
	}
}

func TestAdminThatOthersReach(t *testing.T) {
	f := func(address, port string) {
		t.Helper()
		document := "[admin]\nlisten = \"" + address + "\"\n"
		about := "c.toml:2: admin.listen: \"" + address + "\" is not a loopback address, and "
		const wantToken = "a token in EQUALIZER_ADMIN_TOKEN or admin.token"
		const wantTLS = "TLS by admin.cert and admin.key (or admin.insecure = true, if something else encrypts the way)"
		noToken := about + "there is no token; want " + wantToken + ", or 127.0.0.1:" + port
		inClear := about + "the token would cross the network in clear; want " + wantTLS + ", or 127.0.0.1:" + port
		neither := about + "there is no token, and the token would cross the network in clear; want " + wantToken + ", and " + wantTLS + ", or 127.0.0.1:" + port
		const token, cert, insecure = "token = \"0123456789abcdef\"\n", "cert = \"a.pem\"\n", "insecure = true\n"
		refused(t, document+pool, neither)
		refused(t, document+insecure+pool, noToken)
		refused(t, document+cert+pool, noToken)
		refused(t, document+token+pool, inClear)
		refused(t, document+"read_"+token+pool, inClear)
		accepted(t, document+token+insecure+pool)
		accepted(t, document+token+cert+pool)
		accepted(t, document+"read_"+token+cert+pool)
	}
	f(":8080", "8080")
	f("0.0.0.0:8080", "8080")
	f("[::]:80", "80")
	f("192.0.2.1:8080", "8080")
	f("admin.example.com:8080", "8080")

	for _, address := range []string{"127.0.0.1:8080", "127.1.2.3:80", "[::1]:8080", "localhost:8080", "LocalHost:8080"} {
		accepted(t, "admin.listen = \""+address+"\"\n"+pool)
	}
}

func TestTokens(t *testing.T) {
	f := func(token, want string) {
		t.Helper()
		document := "[admin]\ninsecure = true\ntoken = \"" + token + "\"\n" + pool
		if want == "" {
			require.Equal(t, token, string(accepted(t, document).Admin.Token))
		} else {
			refused(t, document, "c.toml:3: admin.token: "+want)
		}
	}
	const bytes = "has a space, a control or a non-ASCII character; want 16 to 256 visible ASCII characters"
	f("0123456789abcdef", "")
	f(strings.Repeat("~!", 128), "")
	f("0123456789abcde", "has 15 characters; want 16 to 256, such as what `openssl rand -hex 32` prints")
	f(strings.Repeat("a", 257), "has 257 characters; want 16 to 256, such as what `openssl rand -hex 32` prints")
	f("0123456789 abcdef", bytes)
	f("0123456789abcdef\\n", bytes)
	f("0123456789abcdef\\u0000", bytes)
	f("0123456789abcdeü", bytes)

	refused(t, pool+"[admin]\ntoken = \"0123456789abcdef\"\nread_token = \"0123456789abcdef\"\n",
		"c.toml:5: admin.read_token: is the same as admin.token, so who may read may do everything; want another one")
	refused(t, pool+"[admin]\nread_token = \"hunter2\"\n", "c.toml:4: admin.read_token: has 7 characters; want 16 to 256, such as what `openssl rand -hex 32` prints")
}

func TestAdminTLSThatMeansNothing(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, "[admin]\n"+lines+pool, want...)
	}
	f("key = \"a.key\"\n", `c.toml:2: admin.key: "a.key" is of no use without its certificate; want admin.cert too`)
	f("listen = \"unix:///run/a.sock\"\ncert = \"a.pem\"\n",
		"c.toml:3: admin.cert: means nothing on a unix socket, which only this machine reaches; want an address HOST:PORT in admin.listen, or no admin.cert")
	f("cert = \"a.pem\"\ninsecure = true\n", "c.toml:3: admin.insecure: true means nothing with admin.cert, by which TLS is spoken; want one of the two")
	accepted(t, "[admin]\ncert = \"a.pem\"\n"+pool)
}

func TestListenersDoNotClash(t *testing.T) {
	f := func(server, admin string, clash bool) {
		t.Helper()
		document := "[server]\nlisten = \"" + server + "\"\n[admin]\ntoken = \"0123456789abcdef\"\ninsecure = true\nlisten = \"" + admin + "\"\n" + pool
		if clash {
			refused(t, document, "c.toml:6: admin.listen: \""+admin+"\" is taken by server.listen, \""+server+"\"; want another port")
		} else {
			accepted(t, document)
		}
	}
	f(":80", ":80", true)
	f("127.0.0.1:80", "127.0.0.1:80", true)
	f("127.0.0.1:80", "localhost:80", true)
	f("Example.com:80", "example.COM:80", true)
	f(":80", "127.0.0.1:80", true)
	f("127.0.0.1:80", "0.0.0.0:80", true)
	f("[::1]:80", "[::]:80", true)
	f("[::]:80", "127.0.0.1:80", true)
	f("[::1]:80", "[0:0::1]:80", true)
	f("0.0.0.0:80", "[::ffff:127.0.0.1]:80", true)
	f("0.0.0.0:80", "[::1]:80", false)
	f("[::1]:80", "127.0.0.1:80", false)
	f(":80", ":81", false)
	f(":0", ":0", false)
	f("127.0.0.1:80", "127.0.0.2:80", false)
}

func TestOwnListenersAreNoBackends(t *testing.T) {
	f := func(listen, backend string, circle bool) {
		t.Helper()
		document := "server.listen = \"" + listen + "\"\n[pools.default]\nbackends = [\"http://a\",\n\"" + backend + "\"]\n"
		if circle {
			refused(t, document, "c.toml:4: pools.default.backends[1].url: \""+backend+"\" is this proxy's own server.listen; want another address")
		} else {
			accepted(t, document)
		}
	}
	f(":8000", "http://localhost:8000", true)
	f(":80", "http://127.0.0.1", true)
	f("0.0.0.0:8000", "http://127.0.0.3:8000", true)
	f("[::]:8000", "http://0.0.0.0:8000", true)
	f("192.0.2.1:8000", "http://192.0.2.1:8000", true)
	f(":8000", "http://192.0.2.1:8000", false)
	f("0.0.0.0:8000", "http://[::1]:8000", false)
	f("127.0.0.1:8000", "http://localhost:8001", false)
	f("192.0.2.1:8000", "http://localhost:8000", false)

	refused(t, "[pools.default]\nbackends = [\"http://localhost:8080\"]\n",
		"c.toml:2: pools.default.backends[0].url: \"http://localhost:8080\" is this proxy's own admin.listen; want another address")
}
