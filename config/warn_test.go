package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// warned parses a valid document and wants exactly these warnings, in this order.
func warned(t *testing.T, document string, want ...string) {
	t.Helper()
	l, err := Parse("c.toml", []byte(document), Options{})
	warnings := l.Warnings
	require.NoError(t, err)
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	require.Equal(t, want, got)
}

func TestWarnings(t *testing.T) {
	f := func(document string, want ...string) {
		t.Helper()
		warned(t, document, want...)
	}
	var none []string
	f(pool, none...)
	f(pool+"[limits.default]\n[store]\n", none...)

	f(pool+"[store]\n", "c.toml:3: store: nothing is limited, so nothing is stored: there is no [limits.default], --key, --capacity or --refill")
	f(pool+"[limits.default]\nkey = \"header:X-API-Key\"\n",
		`c.toml:4: limits.default.key: "header:X-API-Key": if nothing in front validates the header, a client escapes the limit by changing it, and fills max_buckets; set trusted_header = true if something does`)
	f(pool+"[limits.default]\nkey = \"header:X-API-Key\"\ntrusted_header = true\n", none...)
	f("[pools.default]\nbackends = [\n{ url = \"http://a\", state = \"maint\" }]\n",
		"c.toml:2: pools.default.backends: none is in the state ready: every request will get a 503")
	f("[pools.default]\nbackends = [\"https://a\"]\n[pools.default.tls]\nverify = false\n",
		"c.toml:4: pools.default.tls.verify: false accepts every certificate: an attacker between here and the backends can read and change everything")
	f("[server]\ntrusted_proxies = [\"10.0.0.0/8\",\n\"0.0.0.0/0\", \"::/0\", \"::1\"]\n"+pool,
		"c.toml:3: server.trusted_proxies[1]: 0.0.0.0/0 trusts everyone: every client can claim to be any other",
		"c.toml:3: server.trusted_proxies[2]: ::/0 trusts everyone: every client can claim to be any other",
	)
	f("[admin]\nlisten = \":8080\"\ntoken = \"0123456789abcdef\"\ninsecure = true\n"+pool,
		`c.toml:4: admin.insecure: true: the token crosses the network to ":8080" in the clear, unless something else encrypts the way`)
	f("[admin]\nlisten = \":8080\"\ntoken = \"0123456789abcdef\"\ncert = \"a.pem\"\n"+pool, none...)

	const held = " may not outlast a predecessor's stop, which holds the store for up to drain_delay + shutdown_timeout + store.timeout, "
	f(pool+"[limits.default]\n[store]\nconnect_timeout = \"25s\"\n", "c.toml:5: store.connect_timeout: 25s"+held+"25s")
	f(pool+"[limits.default]\n[store]\nconnect_timeout = \"26s\"\n", none...)
	f(pool+"[limits.default]\n[server]\ndrain_delay = \"10s\"\n", "c.toml: store.connect_timeout: 30s"+held+"35s")
	f(pool+"[limits.default]\n[server]\ndrain_delay = \"10s\"\n[store]\ndriver = \"memory\"\n", none...)
	f(pool+"[server]\ndrain_delay = \"10s\"\n", none...)
	f(shared+"connect_timeout = \"1s\"\n[limits.default]\n", none...)

	const hangs = " may be over when one call to the store hangs, which takes up to timeout + lease_interval, 6s: this replica would be cut off by that alone"
	f(shared+"lease_ttl = \"6s\"\n[limits.default]\n", "c.toml:6: store.lease_ttl: 6s"+hangs)
	f(shared+"lease_ttl = \"6001ms\"\n[limits.default]\n", none...)
	f(shared+"lease_ttl = \"4s\"\ntimeout = \"2s\"\n[limits.default]\n", none...)

	const clear = `: the password and the buckets may cross the network to db in the clear; verify-full is safe`
	f("[limits.default]\n[store]\ndriver = \"postgres\"\n[store.postgres]\nhost = \"db\"\nsslmode = \"prefer\"\n"+pool,
		"c.toml:6: store.postgres.sslmode: prefer"+clear)
	f("[limits.default]\n[store]\ndriver = \"postgres\"\n[store.postgres]\nhost = \"db\"\n"+pool,
		"c.toml: store.postgres.sslmode: disable"+clear)
	for _, lines := range []string{
		"driver = \"bolt\"\npostgres.host = \"db\"\n",
		"driver = \"postgres\"\npostgres.host = \"db\"\npostgres.sslmode = \"require\"\n",
		"driver = \"postgres\"\npostgres.host = \"::1\"\n",
		"driver = \"postgres\"\npostgres.host = \"/var/run/postgresql\"\n",
		"driver = \"postgres\"\n",
	} {
		f("[limits.default]\n[store]\n"+lines+pool, none...)
	}
}

func TestFormerNames(t *testing.T) {
	l, err := Parse("c.toml", []byte(pool+"answer_timeout = \"7s\"\n"), Options{})
	c, warnings := l.Config, l.Warnings
	require.NoError(t, err)
	require.Equal(t, 7*time.Second, c.Pools["default"].ResponseTimeout)
	require.Equal(t, []Problem{{
		Source: "c.toml", Line: 3, Key: "pools.default.answer_timeout",
		Text: "the former name of response_timeout; want response_timeout",
	}}, warnings)

	refused(t, pool+"answer_timeout = \"25h\"\n",
		"c.toml:3: pools.default.response_timeout: 25h is out of range; want 1ms to 24h")
	refused(t, pool+"response_timeout = \"7s\"\nanswer_timeout = \"7s\"\n",
		"c.toml:4: pools.default.answer_timeout: the former name of response_timeout, which is set too; want response_timeout alone")
}

func TestWarningsOfAConfigMadeInGo(t *testing.T) {
	c := Default()
	c.Limits = map[string]Limit{"default": {Key: "header:X"}}
	require.Equal(t, []Problem{{
		Key:  "limits.default.key",
		Text: `"header:X": if nothing in front validates the header, a client escapes the limit by changing it, and fills max_buckets; set trusted_header = true if something does`,
	}}, c.Warnings())
}
