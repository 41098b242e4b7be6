package config

import "testing"

func TestWarningsAboutRoutes(t *testing.T) {
	warned(t, site+"pool = \"app\"\n[[routes]]\nhost = \"b\"\npool = \"app\"\n",
		"c.toml:3: pools.api: no route uses it, but its backends are probed",
		"c.toml:5: limits.gold: no route uses it, so it limits nothing",
		goldKey)
	warned(t, site+"pool = \"app\"\nfallback_pool = \"api\"\nlimits = [\"gold\"]\n", goldKey)
	warned(t, site+"redirect.to = \"/a\"\nlimits = [\"gold\"]\n",
		"c.toml:1: pools.app: no route uses it, but its backends are probed",
		"c.toml:3: pools.api: no route uses it, but its backends are probed",
		goldKey)
	warned(t, pool+`[[routes]]
name = "all"
[[routes]]
path_prefix = "/v1"
methods = ["GET", "PUT"]
[[routes]]
name = "never"
path_prefix = "/v1/"
methods = ["HEAD"]
[[routes]]
path_prefix = "/v1"
match_headers.X-A = "1"
methods = ["PUT"]
name = "reached"
`, `c.toml:8: routes[2]: never matches: routes[1] (/v1) comes before it and matches all that it matches`)
}

// A limit by certificates that nobody is asked for is one by address.
func TestWarningsOfCertificateKeys(t *testing.T) {
	const limit = "[limits.default]\nkey = \"tls:san\"\n"
	const want = `limits.default.key: "tls:san": no listener and no host asks clients for certificates, so all are counted by their addresses; want client_auth = "request" or "require"`
	warned(t, pool+limit, "c.toml:4: "+want)
	warned(t, pool+limit+secure+cert, "c.toml:4: "+want)
	warned(t, pool+limit+secure+"client_auth = \"request\"\nclient_ca = \"x\"\n"+cert)
	warned(t, pool+limit+secure+cert+"[[tls.hosts]]\nhost = \"a.test\"\nclient_auth = \"require\"\nclient_ca = \"x\"\n")
	refused(t, pool+limit+"secret = true\ntrusted_header = true\n",
		`c.toml:5: limits.default.secret: means nothing with key = "tls:san", as certificates' names and hashes are stored and logged as they are; want a header's key, or no secret`,
		`c.toml:6: limits.default.trusted_header: means nothing with key = "tls:san", which reads no header of its own; want a header's key, or no trusted_header`)
}

// goldKey is what site is always warned of.
const goldKey = `c.toml:6: limits.gold.key: "header:X-Key": if nothing in front validates the header, a client escapes the limit by changing it, and fills max_buckets; set trusted_header = true if something does`

func TestWarningsAboutKeysByAddress(t *testing.T) {
	const unbounded = `: one subscriber has a /64 of IPv6 addresses, so a client escapes the limit by changing its address, and fills max_buckets`
	warned(t, pool+"[limits.default]\nkey = \"ip/128\"\n", `c.toml:4: limits.default.key: "ip/128"`+unbounded)
	warned(t, pool+"[limits.default]\nkey = \"ip/65,24\"\n", `c.toml:4: limits.default.key: "ip/65,24"`+unbounded)
	for _, key := range []string{"ip", "ip/64", "ip/48", "ip/64,32"} {
		warned(t, pool+"[limits.default]\nkey = \""+key+"\"\n")
	}

	for _, listen := range []string{"127.0.0.1:80", "localhost:80", "10.1.2.3:80", "192.168.0.1:80", "[fd00::1]:80", "[::1]:80"} {
		server := "[server]\nlisten = \"" + listen + "\"\n"
		warned(t, server+pool+"[limits.a]\n", `c.toml:2: server.listen: "`+listen+
			`" is a private address, and trusted_proxies is empty: if a proxy is in front, all clients have its address, and share one bucket of limit a`)
		warned(t, server+pool)
		warned(t, server+"trusted_proxies = [\"10.0.0.1\"]\n"+pool+"[limits.a]\n")
		warned(t, server+pool+"[limits.a]\nkey = \"header:X-Key\"\ntrusted_header = true\n")
	}
	for _, listen := range []string{":80", "0.0.0.0:80", "198.51.100.4:80", "[2001:db8::1]:80", "edge.example.com:80"} {
		warned(t, "[server]\nlisten = \""+listen+"\"\n"+pool+"[limits.a]\n")
	}
}
