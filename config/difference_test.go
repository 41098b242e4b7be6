package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// loaded parses a document that has nothing wrong with it.
func loaded(t *testing.T, document string) Loaded {
	t.Helper()
	l, err := Parse("c.toml", []byte(document), Options{})
	require.NoError(t, err)
	return l
}

func TestDiff(t *testing.T) {
	f := func(old, new string, want ...Difference) {
		t.Helper()
		require.Equal(t, want, Diff(loaded(t, old), loaded(t, new)))
		var back []Difference // the other way round
		for _, d := range Diff(loaded(t, new), loaded(t, old)) {
			d.Old, d.New = d.New, d.Old
			d.Kind = map[DifferenceKind]DifferenceKind{Added: Removed, Removed: Added, Changed: Changed}[d.Kind]
			back = append(back, d)
		}
		require.ElementsMatch(t, want, back)
	}
	const a, b = `"http://a:80"`, `"http://b:80"`
	backends := func(list string) string { return "[pools.web]\nbackends = [" + list + "]\n" }
	web := backends(a)

	// Values.
	f(web, web)
	f(web, web+"[server]\nidle_timeout = \"75s\"\n") // the default
	f(web, web+"[server]\nidle_timeout = \"1m30s\"\nlisten = \":80\"\n",
		Difference{"server.listen", Changed, `":8000"`, `":80"`},
		Difference{"server.idle_timeout", Changed, `"1m15s"`, `"1m30s"`})
	f(web+"[server]\nidle_timeout = \"90s\"", web+"[server]\nidle_timeout = \"1m30s\"\n")
	f(web, web+"[server]\ntrusted_proxies = [\"::1\"]\nmax_body = 1024\n",
		Difference{"server.trusted_proxies", Changed, `[]`, `["::1"]`},
		Difference{"server.max_body", Changed, `0`, `"1KiB"`})

	// The address that [[listeners]] replace.
	f(web+"[server]\nlisten = \"127.0.0.1:80\"\n", web+"[[listeners]]\nlisten = \":80\"\n",
		Difference{`listeners[":80"]`, Added, "", `{ listen = ":80" }`}, Difference{"server.listen", Removed, `"127.0.0.1:80"`, ""})

	// What has a name.
	f(web, web+"[limits.default]\ncapacity = 5\n", Difference{"limits.default", Added, "", "{ capacity = 5 }"})
	f(web+"[limits.default]\ncapacity = 100\n", web+"[limits.default]\n") // the default
	f(web+"[limits.a]\n", web+"[limits.a]\nrefill = \"1/1m\"\ntiers.gold.capacity = 7\n",
		Difference{"limits.a.refill", Changed, `"10/1s"`, `"1/1m"`},
		Difference{"limits.a.tiers.gold", Added, "", "{ capacity = 7 }"})
	f(web+"[limits.a]\ntiers.gold.capacity = 7\n", web+"[limits.a]\ntiers.gold.refill = \"20/1s\"\n",
		Difference{"limits.a.tiers.gold.capacity", Removed, "7", ""},
		Difference{"limits.a.tiers.gold.refill", Added, "", `"20/1s"`})
	f(web+"[limits.a]\n[[limits.a.exempt]]\nmethods = [\"GET\"]\n", web+"[limits.a]\n[[limits.a.exempt]]\nnetworks = [\"::1\"]\n",
		Difference{"limits.a.exempt[0].networks", Changed, `[]`, `["::1"]`},
		Difference{"limits.a.exempt[0].methods", Changed, `["GET"]`, `[]`})

	// Backends, by their URLs.
	f(backends(a), backends(a+","+b), Difference{`pools.web.backends["http://b:80"]`, Added, "", `{ url = "http://b:80" }`})
	f(backends(a+","+b), backends(`{ url = "http://b:80", weight = 2, state = "drain" }`),
		Difference{`pools.web.backends["http://a:80"]`, Removed, `{ url = "http://a:80" }`, ""},
		Difference{`pools.web.backends["http://b:80"].weight`, Changed, "1", "2"},
		Difference{`pools.web.backends["http://b:80"].state`, Changed, `"ready"`, `"drain"`})
	f(backends(a+","+b), backends(b+","+a), Difference{
		"pools.web.backends", Changed,
		`["http://a:80", "http://b:80"]`, `["http://b:80", "http://a:80"]`,
	})

	// Routes, by their names, or else by the host and the prefix.
	const one, two = "[[routes]]\nname = \"api\"\npath_prefix = \"/v1\"\n", "[[routes]]\nhost = \"a.b\"\n"
	f(web+one, web+two+one, Difference{`routes["a.b/"]`, Added, "", `{ host = "a.b" }`})
	f(web+one+"redirect.to = \"/x\"\n", web+one+"methods = [\"GET\"]\nresponse_timeout = \"5s\"\n",
		Difference{`routes["api"].methods`, Changed, "[]", `["GET"]`},
		Difference{`routes["api"].response_timeout`, Added, "", `"5s"`},
		Difference{`routes["api"].redirect`, Removed, `{ to = "/x" }`, ""})
	f(web+one+two, web+two+one, Difference{"routes", Changed, `["api", "a.b/"]`, `["a.b/", "api"]`})
	f(web+one+"match_headers.\"a\" = \"1\"\nmatch_headers.b = \"2\"\n", web+one+"match_headers = { b = \"3\" }\n",
		Difference{`routes["api"].match_headers.a`, Removed, `"1"`, ""},
		Difference{`routes["api"].match_headers.b`, Changed, `"2"`, `"3"`})

	// Secrets.
	f(web+"[admin]\ntoken = \"0123456789abcdef\"\n", web+"[admin]\ntoken = \"0123456789abcdee\"\n",
		Difference{"admin.token", Changed, `"***"`, `"***"`})
	f(web+"[store.postgres]\npassword = \"hunter2\"\n", web, Difference{"store.postgres.password", Changed, `"***"`, `""`})
	f(web+one, web+one+"request_headers.set.Authorization = \"hunter2\"\nresponse_headers.remove = [\"A\"]\n",
		Difference{`routes["api"].request_headers.set.Authorization`, Added, "", `"***"`},
		Difference{`routes["api"].response_headers.remove`, Changed, `[]`, `["A"]`})
	f(web+one, web+two+"request_headers.add.Authorization = \"hunter2\"\n",
		Difference{`routes["api"]`, Removed, `{ name = "api", path_prefix = "/v1" }`, ""},
		Difference{`routes["a.b/"]`, Added, "", `{ host = "a.b", request_headers = { add = { Authorization = "***" } } }`})
}

func TestDifferencesAreOneLine(t *testing.T) {
	require.Equal(t, "limits.a.capacity: 1 -> 2", Difference{"limits.a.capacity", Changed, "1", "2"}.String())
	require.Equal(t, `routes["a"]: added: { host = "a" }`, Difference{`routes["a"]`, Added, "", `{ host = "a" }`}.String())
	require.Equal(t, "limits.a: removed: {}", Difference{"limits.a", Removed, "{}", ""}.String())
	require.Equal(t, `"a\nb"`, literal("a\nb"))
}

// FuzzDiff holds the difference of two configurations against what is printed of them: nothing that
// is printed differs without being told, and what is told but isn't seen is a secret.
func FuzzDiff(f *testing.F) {
	f.Add(pool, everything)
	f.Add(everything, strings.ReplaceAll(everything, "a.b", "c.d"))
	f.Add(everything, strings.NewReplacer("hunter2", "hunter3", "capacity = 7", "refill = \"7/1s\"", "weight = 3", "weight = 4").Replace(everything))
	f.Add(pool+"[[routes]]\npath_prefix = \"/a\"\n[[routes]]\nhost = \"b\"\n", pool+"[[routes]]\nhost = \"b\"\n[[routes]]\npath_prefix = \"/a\"\nmax_body = 7\n")
	f.Add(pool+"[limits.\"a\"]\n", "[pools.default]\nbackends = [\"http://localhost:8081\", { url = \"http://b\", weight = 2 }]\n[limits.b]\n")
	unmarked := regexp.MustCompile(`(?m)^#`)
	f.Fuzz(func(t *testing.T, old, new string) {
		before, err1 := Parse("c.toml", []byte(old), Options{})
		after, err2 := Parse("c.toml", []byte(new), Options{})
		if err1 != nil || err2 != nil {
			return
		}
		told := map[string]bool{}
		seen := unmarked.ReplaceAllString(print(t, before), "") != unmarked.ReplaceAllString(print(t, after), "")
		for _, d := range Diff(before, after) {
			require.False(t, told[d.Key], d.Key)
			told[d.Key] = true
			require.True(t, seen || strings.Contains(d.Old, starred) && d.Old == d.New, d)
			require.Equal(t, d.Kind == Added, d.Old == "", d)
			require.Equal(t, d.Kind == Removed, d.New == "", d)
		}
		require.True(t, !seen || len(told) > 0)
	})
}

// What is in the files that a configuration names is part of it, and so is what references to files
// stand for.
func TestDiffOfContents(t *testing.T) {
	dir := folder(t, "main.toml", `
[admin]
cert = "DIR/admin.pem"
key = "DIR/admin.key"
[[listeners]]
listen = ":1"
tls = true
client_auth = "require"
client_ca = "DIR/clients.pem"
[[tls.hosts]]
host = "a.test"
client_auth = "require"
client_ca = "DIR/own.pem"
[[tls.certificates]]
cert = "DIR/cert.pem"
key = "DIR/key.pem"
[pools.default]
backends = ["https://b.test"]
tls = { ca = "DIR/ca.pem", cert = "DIR/client.pem", key = "DIR/client.key" }
[[routes]]
name = "r"
pool = "default"
set_host = "${file:host}"
error_pages = { 503 = "DIR/503.html" }
`, "host", "a.test")
	main := filepath.Join(dir, "main.toml")
	text, err := os.ReadFile(main)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(main, []byte(strings.ReplaceAll(string(text), "DIR", dir)), 0o600))
	load := func() Loaded {
		t.Helper()
		l, err := loadFolder(dir, Options{})
		require.NoError(t, err)
		return l
	}
	for file, key := range map[string]string{
		"admin.pem": "admin.cert", "admin.key": "admin.key", "clients.pem": `listeners[":1"].client_ca`, "own.pem": `tls.hosts["a.test"].client_ca`,
		"cert.pem": `tls.certificates["` + dir + `/cert.pem"].cert`, "key.pem": `tls.certificates["` + dir + `/cert.pem"].key`,
		"ca.pem": "pools.default.tls.ca", "client.pem": "pools.default.tls.cert", "client.key": "pools.default.tls.key",
		"503.html": `routes["r"].error_pages.503`,
	} {
		path, before := filepath.Join(dir, file), load()
		require.NoError(t, os.WriteFile(path, []byte("hunter2"), 0o600))
		require.Equal(t, []Difference{{key, Content, strconv.Quote(path), strconv.Quote(path)}}, Diff(before, load()))
		before = load()
		require.Empty(t, Diff(before, load()))
		require.NoError(t, os.WriteFile(path, []byte("hunter3"), 0o600))
		require.Equal(t, key+": the content of "+strconv.Quote(path)+" has changed", Diff(before, load())[0].String())
	}
	before := load()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "host"), []byte("b.test"), 0o600))
	require.Equal(t, []Difference{{`routes["r"].set_host`, Content, `"${file:host}"`, `"${file:host}"`}}, Diff(before, load()))
}
