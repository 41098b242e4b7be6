package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

func TestServerMistakes(t *testing.T) {
	refused(t, pool+`[server]
max_header = "1023B"
max_body = "10MB"
header_timeout = "0s"
idle_timeout = "5"
read_timeout = "999us"
write_timeout = "1d"
min_rate = "1KB/s"
rate_grace = "0s"
drain_delay = "-1s"
shutdown_timeout = ""
trusted_proxies = ["10.0.0.0/8", 5]
tunnel_grace = "25h"
max_connections = -1
`,
		"c.toml:4: server.max_header: 1023 is out of range; want 1KiB to 1MiB, as every connection holds a buffer of this size",
		`c.toml:5: server.max_body: "10MB": unknown unit "MB"; want bytes, or a whole number with B, KiB, MiB, GiB or TiB, such as "16KiB"`,
		"c.toml:6: server.header_timeout: 0s is out of range; want 1ms to 24h",
		`c.toml:7: server.idle_timeout: "5": no unit; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		"c.toml:8: server.read_timeout: 999µs is out of range; want 1ms to 24h",
		`c.toml:9: server.write_timeout: "1d": not a duration; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		`c.toml:10: server.min_rate: "1KB/s": not a size a second; want one such as "1KiB/s", or "0" for none`,
		"c.toml:11: server.rate_grace: 0s is out of range; want 1ms to 24h",
		`c.toml:12: server.drain_delay: "-1s": below 0; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		`c.toml:13: server.shutdown_timeout: "": not a duration; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		"c.toml:14: server.trusted_proxies[1]: 5 is an integer; want a string",
		"c.toml:15: server.tunnel_grace: 25h is out of range; want 1ms to 24h, or 0s for none",
		"c.toml:16: server.max_connections: -1 is out of range; want 1 to 10000000, or 0 for what the limit of open files allows",
	)
	for _, via := range []string{"a b", "a/b", "edge:80", strings.Repeat("x", 65)} {
		refused(t, pool+"[server]\nvia = \""+via+"\"\n",
			`c.toml:4: server.via: "`+via+`"; want 1 to 64 letters, digits, dashes, dots and underscores, or none for no Via`)
	}
	require.Equal(t, "Edge-1.example_a", accepted(t, pool+"[server]\nvia = \"Edge-1.example_a\"\n").Server.Via)
	require.Empty(t, accepted(t, pool+"[server]\nvia = \"\"\n").Server.Via)
	refused(t, pool+"[server]\nmax_header = \"2MiB\"\n",
		"c.toml:4: server.max_header: 2MiB is out of range; want 1KiB to 1MiB, as every connection holds a buffer of this size")
	refused(t, pool+"[server]\nmin_rate = true\n", `c.toml:4: server.min_rate: true is a boolean; want bytes a second, or a string such as "1KiB/s"`)
	refused(t, pool+"[server]\nmin_rate = -1\n", "c.toml:4: server.min_rate: -1/s is out of range; want 1/s to 1GiB/s, or 0 for none")
	refused(t, pool+"[server]\nmin_rate = \"1TiB/s\"\n", "c.toml:4: server.min_rate: 1TiB/s is out of range; want 1/s to 1GiB/s, or 0 for none")
	require.Zero(t, accepted(t, pool+"[server]\nmin_rate = 0\n").Server.MinRate)
	require.Equal(t, Rate(KiB), accepted(t, pool+"[server]\nmin_rate = 1024\n").Server.MinRate)
	require.Equal(t, Rate(KiB), accepted(t, pool+"[server]\nmin_rate = \"1KiB\"\n").Server.MinRate)
	require.Zero(t, accepted(t, pool+"[server]\nmin_rate = \"0\"\n").Server.MinRate)
	c := accepted(t, pool+"[server]\nmin_rate = \"2KiB/s\"\nmax_header = 4096\nmax_body = \"1GiB\"\ndrain_delay = \"5s\"\ntunnel_grace = \"0s\"\nmax_connections = 10000000\n")
	require.Equal(t, 4*KiB, c.Server.MaxHeader)
	require.Equal(t, GiB, c.Server.MaxBody)
	require.Equal(t, Rate(2*KiB), c.Server.MinRate)
	require.Equal(t, 5*time.Second, c.Server.DrainDelay)
	require.Zero(t, c.Server.TunnelGrace)
	require.Zero(t, accepted(t, pool+"[server]\ntunnel_timeout = \"0s\"\n").Server.TunnelTimeout)
	require.Equal(t, 10_000_000, c.Server.MaxConnections)
}

func TestTrustedProxyMistakes(t *testing.T) {
	refused(t, pool+"[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"localhost\",\n\"::1\", \"10.0.0.1/8\"]\n",
		`c.toml:4: server.trusted_proxies[1]: trusted proxy "localhost": want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32`,
		`c.toml:5: server.trusted_proxies[3]: trusted proxy "10.0.0.1/8": bits are set behind the prefix; want 10.0.0.0/8, or a longer prefix`,
	)
}

func TestLimitMistakes(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, pool+"[limits.default]\n"+lines, want...)
	}
	f("capacity = 0\nmax_buckets = 0\n",
		"c.toml:4: limits.default.capacity: 0 is out of range; want at least 1",
		"c.toml:5: limits.default.max_buckets: 0 is out of range; want 1 to 1000000000",
	)
	const want = "; want AMOUNT/DURATION, such as 1/1m, 100/s or 1000/30d"
	f(`refill = "1"`, `c.toml:4: limits.default.refill: refill "1": no slash in it`+want)
	f(`refill = "1/0s"`, `c.toml:4: limits.default.refill: refill "1/0s": duration 0s is not above 0`+want)
	f(`refill = "-1/1m"`, `c.toml:4: limits.default.refill: refill "-1/1m": amount -1 is below 1`+want)
	f(`refill = "2000000/s"`, `c.toml:4: limits.default.refill: refill "2000000/s": faster than 1000000 tokens a second`+want)
	f("capacity = 9000000000000000000\nrefill = \"1/24h\"\n",
		"c.toml:4: limits.default.capacity: capacity 9000000000000000000 with refill 1/1d would take longer than 480383h0m0s to fill; lower the capacity or refill faster")
	f("trusted_header = true\n",
		`c.toml:4: limits.default.trusted_header: means nothing with key = "ip", which reads no header of its own; want a header's key, or no trusted_header`)
	f("key = \"ip/48\"\nsecret = true\n",
		`c.toml:5: limits.default.secret: means nothing with key = "ip/48", as addresses are stored and logged as they are; want a header's key, or no secret`)
	f("key = \"cookie\"\nsecret = true\n", `c.toml:4: limits.default.key: unexpected key "cookie"; want ip, header:NAME, tls:spki or tls:san`)
	f("key = \"header:Host\"\n", `c.toml:4: limits.default.key: unexpected key "header:Host": Host says whom a request is for, and an absolute target overrides it; `+
		`want a header that says who the client is, or ip`)
	f("secret = true\n",
		`c.toml:4: limits.default.secret: means nothing with key = "ip", as addresses are stored and logged as they are; want a header's key, or no secret`)

	f("durability = \"paranoid\"\n", `c.toml:4: limits.default.durability: unexpected "paranoid"; want interval or strict`)
	f("durability = \"strict\"\n[store]\ndriver = \"memory\"\n",
		`c.toml:4: limits.default.durability: "strict" with driver = "memory", which forgets what was spent at every start; want bolt or postgres, or "interval"`)
	f("[limits.default.tiers.gold]\n", "c.toml:4: limits.default.tiers.gold: it says nothing; want a capacity, a refill, or both")
	f("[limits.default.tiers.gold]\ncapacity = -1\nrefill = \"1/s\"\n", "c.toml:5: limits.default.tiers.gold.capacity: -1 is out of range; want at least 1")
	f("capacity = 50\nrefill = \"1/24h\"\n[limits.default.tiers.gold]\ncapacity = 1000000\n",
		"c.toml:7: limits.default.tiers.gold.capacity: capacity 1000000 with refill 1/1d would take longer than 480383h0m0s to fill; lower the capacity or refill faster")

	refused(t, pool+"[limits.b]\n[limits.a]\n",
		"c.toml:3: limits: there are 2, a and b, and no routes; want one, or [[routes]] that choose between them")

	c := accepted(t, pool+"[limits.api]\nkey = \"header:X-API-Key\"\nsecret = false\ncapacity = 15\nrefill = \"100/s\"\n")
	require.Equal(t, map[string]Limit{"api": {
		Key: "header:X-API-Key", Capacity: 15, Refill: gcra.Refill{Amount: 100, Per: time.Second}, MaxBuckets: 10_000_000,
		Scope: ScopeGlobal, Leasing: LeasingAhead, LeaseWait: 250 * time.Millisecond, OnStoreLoss: OnLossLocal,
	}}, c.Limits)
	accepted(t, pool+"[limits.api]\nkey = \"header:X-API-Key\"\nsecret = true\n")
	accepted(t, pool+"[limits.api]\nsecret = false\n")
	c = accepted(t, pool+"[limits.api]\ndurability = \"strict\"\ncapacity = 15\n[limits.api.tiers.gold]\ncapacity = 1000\n[limits.api.tiers.slow]\nrefill = \"1/1m\"\n")
	require.Equal(t, gcra.Settings{Capacity: 1000, Refill: gcra.Refill{Amount: 10, Per: time.Second}}, c.Limits["api"].SettingsOf("gold"))
	require.Equal(t, gcra.Settings{Capacity: 15, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, c.Limits["api"].SettingsOf("slow"))
	require.Equal(t, DurabilityStrict, c.DurabilityOf("api"))
	c.Limits["other"] = Limit{}
	require.Equal(t, DurabilityInterval, c.DurabilityOf("other"))
	require.Empty(t, accepted(t, pool+"[limits]\n").Limits)
}

func TestStoreMistakes(t *testing.T) {
	refused(t, pool+`[store]
driver = "postgresql"
path = "postgres://user:hunter2@db/equalizer"
flush_interval = "0s"
timeout = "0s"
connect_timeout = "-1s"
required_at_start = "yes"
`,
		`c.toml:4: store.driver: unexpected "postgresql"; want bolt, postgres or memory`,
		`c.toml:5: store.path: "postgres://***@db/equalizer" is a URL; want a file's path, or driver = "postgres" with [store.postgres]`,
		"c.toml:6: store.flush_interval: 0s is out of range; want 10ms to 1h, the spending that a crash may give back",
		"c.toml:7: store.timeout: 0s is out of range; want 1ms to 24h",
		`c.toml:8: store.connect_timeout: "-1s": below 0; want a number with ns, us, ms, s, m or h, such as "5s" or "1m30s"`,
		`c.toml:9: store.required_at_start: "yes" is a string; want true or false`,
	)
	f := func(lines, want string) {
		t.Helper()
		refused(t, pool+"[store]\n"+lines, "c.toml:4: "+want)
	}
	f(`path = ""`, `store.path: there is none; want a file's path, such as "data/equalizer.db"`)
	f(`path = "data/"`, `store.path: "data/" is a folder; want a file's path`)
	f(`path = "a\u0000b"`, `store.path: "a\x00b" has a NUL in it; want a file's path`)
	f(`flush_interval = "9ms"`, "store.flush_interval: 9ms is out of range; want 10ms to 1h, the spending that a crash may give back")
	f(`flush_interval = "2h"`, "store.flush_interval: 2h is out of range; want 10ms to 1h, the spending that a crash may give back")
	f(`limits_kept = "1s"`, "store.limits_kept: 1s is out of range; want 1m to 87600h, or 0s to keep them for ever")
	f(`migrate_to = "api"`, `store.migrate_to: "api" is no limit, as there is none; want [limits.api], or none here`)
	f(`durability = "paranoid"`, `store.durability: unexpected "paranoid"; want interval or strict`)
	f("durability = \"strict\"\ndriver = \"memory\"", `store.durability: "strict" with driver = "memory", which forgets what was spent at every start; want bolt or postgres, or "interval"`)
	f("standby = true\ndriver = \"memory\"", `store.standby: true with driver = "memory", which no other process can hold; want bolt or postgres, or false`)
	f("standby = true", "store.standby: true, but nothing is limited, so no process holds the store; want a limit, or false")
	f("durability = \"strict\"\nrequired_at_start = false", `store.durability: "strict" with required_at_start = false, which spends before it is known what is reserved; want true, or "interval"`)
	require.Equal(t, DurabilityStrict, accepted(t, pool+"[store]\ndurability = \"strict\"\n").Store.Durability)
	accepted(t, pool+"[store]\ndriver = \"memory\"\npath = \"\"\n")
	accepted(t, pool+"[store]\ndriver = \"postgres\"\npath = \"\"\n")
}

func TestPostgresMistakes(t *testing.T) {
	refused(t, pool+`[store.postgres]
host = "postgres://user:hunter2@db"
port = 0
user = ""
password = "hunter2\u0000"
dbname = "a\n"
sslmode = "on"
schema = "Gopher"
`,
		`c.toml:4: store.postgres.host: "postgres://***@db"; want a host's name, an IP address, or the folder of a Unix socket`,
		"c.toml:5: store.postgres.port: 0 is out of range; want 1 to 65535",
		`c.toml:6: store.postgres.user: ""; want a role's name`,
		"c.toml:7: store.postgres.password: has a NUL in it, which PostgreSQL does not take",
		`c.toml:8: store.postgres.dbname: "a\n"; want a database's name`,
		`c.toml:9: store.postgres.sslmode: unexpected "on"; want disable, allow, prefer, require, verify-ca or verify-full`,
		`c.toml:10: store.postgres.schema: "Gopher"; want 1 to 63 small letters, digits and underscores, no digit first, not pg_`,
	)
	for _, schema := range []string{"", "1a", "pg_a", "a-b", "a.b", "a;drop", strings.Repeat("a", 64)} {
		_, err := Parse("c.toml", []byte(pool+"[store.postgres]\nschema = \""+schema+"\"\n"), Options{})
		require.ErrorContains(t, err, "c.toml:4: store.postgres.schema: \""+schema+"\"; want 1 to 63 small letters")
	}
	for _, host := range []string{"localhost", "db", "192.0.2.1", "::1", "/var/run/postgresql"} {
		accepted(t, pool+"[store.postgres]\nhost = \""+host+"\"\nport = 65535\nschema = \"_a1\"\n")
	}
}

func TestLogMistakes(t *testing.T) {
	refused(t, pool+"[log]\nlevel = \"INFO\"\nformat = \"text\"\naccess = 0\n",
		`c.toml:4: log.level: unexpected "INFO"; want debug, info, warn or error`,
		`c.toml:5: log.format: unexpected "text"; want json, console or combined`,
		"c.toml:6: log.access: 0 is an integer; want true or false",
	)
	refused(t, pool+`[limits.a]
key = "header:X-API-Key"
trusted_header = true
[log]
format = "console"
output = "syslog"
time = "now"
min_status = 99
sample = 0
headers = ["User-Agent", "authorization", "x-api-key", "a b"]
mask = ["", "a"]
`,
		`c.toml:7: log.format: console is for people's eyes; want json or combined where log.output is syslog`,
		`c.toml:9: log.time: unexpected "now"; want text or unix`,
		"c.toml:10: log.min_status: 99 is out of range; want 100 to 600",
		"c.toml:11: log.sample: 0 is out of range; want 1 to 1000000",
		`c.toml:12: log.headers[1]: "authorization" carries credentials, which no log may have`,
		`c.toml:12: log.headers[2]: "x-api-key" is the secret key of limits.a, which no log may have`,
		`c.toml:12: log.headers[3]: "a b"; want the name of a header`,
		"c.toml:13: log.mask[0]: it is empty; want the name of a query parameter",
	)
	c := accepted(t, pool+"[limits.a]\nkey = \"header:X-Tenant\"\ntrusted_header = true\nsecret = false\n[log]\nheaders = [\"X-Tenant\"]\nmask = []\noutput = \"a.log\"\n")
	require.Empty(t, c.Log.Mask)
	require.Contains(t, accepted(t, pool).Log.Mask, "access_token")
}
