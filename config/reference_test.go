package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReferences(t *testing.T) {
	dir := folder(t,
		"main.toml", `include = ["${DIR}/*.toml"]
[server]
via = "$${x}$$"
idle_timeout = "${SECONDS}s"
trusted_proxies = ["::1", "${NET}"]
max_header = "${file:size}"
[pools.web]
backends = ["http://${HOST}:${PORT}", { url = "${URL}" }]
[store.postgres]
password = "${file:conf/../secret/password}"
`,
		"conf.d/a.toml", "[[routes]]\nhost = \"${HOST}\"\nmatch_headers = { \"X-${A}\" = \"${file:size}\" }\nmethods = [\"${GET}\"]\nlimits = []\n",
		"size", "32KiB\n", "secret/password", "a\nb\r\n", "conf/x", "",
	)
	o := Options{Getenv: env(map[string]string{
		"DIR": "conf.d", "SECONDS": "7", "NET": "10.0.0.0/8", "HOST": "a.b", "PORT": "81", "URL": "http://${HOST}", "GET": "GET",
	})}
	refusedFolder(t, dir, o, // What a reference stands for is not expanded again. Names of keys aren't, either.
		"main.toml:3: server.via: \"${x}$$\"; want 1 to 64 letters, digits, dashes, dots and underscores, or none for no Via",
		"main.toml:8: pools.web.backends[1].url: ${URL}: its value isn't accepted; want http://HOST:PORT, https://HOST:PORT or unix:///PATH",
		"${DIR}/a.toml:3: routes[0].match_headers.\"X-${A}\": ${file:size}: its value isn't accepted; want a header's name, such as X-Version",
	)
}

func TestReferencesStandForValues(t *testing.T) {
	dir := folder(t, "main.toml", `[server]
idle_timeout = "${SECONDS}s"
trusted_proxies = ["::1", "${NET}"]
max_header = "${file:size}"
[pools.web]
backends = ["http://${HOST}:${PORT}", { url = "${URL}" }]
[store]
path = "a$${b}$$"
[store.postgres]
password = "${file:password}"
`, "size", "32KiB\n", "password", "a\nb\r\n")
	o := Options{Getenv: env(map[string]string{"SECONDS": "7", "NET": "10.0.0.0/8", "HOST": "a.b", "PORT": "81", "URL": "http://c"})}
	l, err := loadFolder(dir, o)
	require.NoError(t, err)
	require.Equal(t, 7*time.Second, l.Config.Server.IdleTimeout)
	require.Equal(t, 32*KiB, l.Config.Server.MaxHeader)
	require.Equal(t, []string{"::1", "10.0.0.0/8"}, l.Config.Server.TrustedProxies)
	require.Equal(t, []Backend{DefaultBackend("http://a.b:81"), DefaultBackend("http://c")}, l.Config.Pools["web"].Backends)
	require.Equal(t, "a${b}$$", l.Config.Store.Path)
	require.Equal(t, "a\nb", string(l.Config.Store.Postgres.Password))

	text := print(t, l)
	for _, want := range []string{
		"\nidle_timeout = \"${SECONDS}s\"\n", "\nmax_header = \"${file:size}\"\n", "\ntrusted_proxies = [\"::1\", \"${NET}\"]\n",
		"\nurl = \"http://${HOST}:${PORT}\"\n", "\nurl = \"${URL}\"\n", "\npath = \"a$${b}$$\"\n", "\npassword = \"${file:password}\"\n",
	} {
		require.Contains(t, text, want)
	}
	again, err := Parse(dir+"/main.toml", []byte(text), o)
	require.NoError(t, err)
	require.Equal(t, l.Config, again.Config)
	require.Equal(t, text, print(t, again))

	o.Getenv = env(map[string]string{"SECONDS": "8", "NET": "10.0.0.0/8", "HOST": "x.y", "PORT": "81", "URL": "http://c"})
	changed, err := loadFolder(dir, o)
	require.NoError(t, err)
	require.Equal(t, []Difference{
		{"server.idle_timeout", Changed, `"${SECONDS}s"`, `"${SECONDS}s"`},
		{`pools.web.backends["http://${HOST}:${PORT}"].url`, Changed, `"http://${HOST}:${PORT}"`, `"http://${HOST}:${PORT}"`},
	}, Diff(l, changed))
}

func TestMistakesOfReferences(t *testing.T) {
	dir := folder(t, "main.toml", `[admin]
token = "a${NONE}"
listen = "${EMPTY}"
[server]
via = "${1A}"
listen = "x${"
trusted_proxies = ["${}", "${file:}", "${BAD}"]
[log]
level = "${file:none}"
format = "${file:dir}"
[store]
path = "${file:big}"
migrate_to = "${file:binary}"
[limits.a]
capacity = "${N}"
refill = "${R}"
`+pool, "dir/x", "", "big", strings.Repeat("x", int(maxText)+1), "binary", "\xff")
	refusedFolder(t, dir, Options{Getenv: env(map[string]string{"N": "5", "BAD": "\xff", "R": "5/1q"})},
		"main.toml:2: admin.token: ${NONE}: the environment variable NONE is not set, or empty; want a value in it",
		"main.toml:3: admin.listen: ${EMPTY}: the environment variable EMPTY is not set, or empty; want a value in it",
		"main.toml:5: server.via: "+errReference.Error(),
		"main.toml:6: server.listen: "+errReference.Error(),
		"main.toml:7: server.trusted_proxies[0]: "+errReference.Error(),
		"main.toml:7: server.trusted_proxies[1]: "+errReference.Error(),
		"main.toml:7: server.trusted_proxies[2]: ${BAD}: the environment variable isn't UTF-8; want text in UTF-8",
		"main.toml:9: log.level: ${file:none}: none: no such file or directory",
		"main.toml:10: log.format: ${file:dir}: dir: it is no regular file; want one",
		"main.toml:12: store.path: ${file:big}: big: it has more than 64KiB; want at most that",
		"main.toml:13: store.migrate_to: ${file:binary}: binary: it isn't UTF-8; want text in UTF-8",
		"main.toml:15: limits.a.capacity: ${N}: its value isn't accepted; want a whole number",
		"main.toml:16: limits.a.refill: ${R}: its value isn't accepted; want AMOUNT/DURATION, such as 1/1m, 100/s or 1000/30d",
	)
}
