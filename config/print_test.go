package config

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// print is a configuration as Print writes it.
func print(t *testing.T, l Loaded) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, l.Print(&b))
	return b.String()
}

// everything is a document with something set in every kind of place.
const everything = `[admin]
token = "0123456789abcdef"

[pools.web]
backends = ["http://a:80", { url = "https://b", weight = 3 }]
health.statuses = ["200", "300-399"]
tls.verify = false

[limits."a"]
[limits.a.tiers.gold]
capacity = 7
[[limits.a.exempt]]
methods = ["GET"]
[[limits.a.exempt]]
path_prefixes = ["/x"]

[[routes]]
host = "a.b"
limits = ["a"]
match_headers = { "X-A" = "'\"" }
request_headers.set.Authorization = "hunter2"
max_body = 5
total_timeout = "0s"

[[routes]]
redirect.to = "/x"
`

func TestPrintMarksWhatNothingSets(t *testing.T) {
	o := Options{
		Getenv: env(map[string]string{EnvPostgresPassword: "hunter2"}),
		Override: func(c *Config) map[string]string {
			c.Server.Listen = ":9"
			return map[string]string{"server.listen": "--listen"}
		},
	}
	l, err := Parse("c.toml", []byte(everything), o)
	require.NoError(t, err)
	text := print(t, l)
	require.NotContains(t, text, "hunter2")
	for _, want := range []string{
		"\n[server]\nlisten = \":9\" # --listen\n#trusted_proxies = []\n",
		"\n[admin]\n#listen = \"127.0.0.1:8080\"\ntoken = \"***\"\n",
		"\n#keep_alive = \"1m\"\n#max_connection_age = \"10m\"\n\n" +
			"[[pools.web.backends]]\nurl = \"http://a:80\"\n#weight = 1\n#max_in_flight = 0\n#backup = false\n#state = \"ready\"\n\n" +
			"[[pools.web.backends]]\nurl = \"https://b\"\nweight = 3\n#max_in_flight = 0\n#backup = false\n#state = \"ready\"\n",
		"\n[pools.web.tls]\n#ca = \"\"\n", "\nverify = false\n", "\nstatuses = [\"200\", \"300-399\"]\n",
		"\n# durability: the store's\n", "\n[limits.a.tiers.gold]\ncapacity = 7\n# refill: the limit's\n",
		"\n[[limits.a.exempt]]\n#networks = []\nmethods = [\"GET\"]\n",
		"\nmax_body = 5\n# response_timeout: the pool's\n", "\ntotal_timeout = \"0s\"\n",
		"\n[routes.match_headers]\nX-A = \"'\\\"\"\n", "\n[routes.request_headers.set]\nAuthorization = \"***\"\n",
		"\n[routes.redirect]\nto = \"/x\"\n#status = 307\n",
		"\n#password = \"***\" # EQUALIZER_POSTGRES_PASSWORD\n", "\n#[log]\n#level = \"info\"\n",
	} {
		require.Contains(t, text, want)
	}
}

func TestSourcesStayInTheirComments(t *testing.T) {
	dir := folder(t, "main.toml", "include = [\"*.toml\"]\n", "a\n[b]\x7f\xff.toml", pool)
	l, err := loadFolder(dir, Options{})
	require.NoError(t, err)
	require.Contains(t, print(t, l), "# "+dir+"/a?[b]??.toml:2\n")
	loadsAsTheSame(t, l, Options{}, realDisk{})
}

// TestPrintLoadsAsTheSame also holds for what nothing sets: keys that mean nothing beside others
// would be refused if they were written out.
func TestPrintLoadsAsTheSame(t *testing.T) {
	for _, document := range []string{pool, everything, pool + "health.type = \"tcp\"\n", "routes = []\nlimits = {}\n" + pool} {
		loadsAsTheSame(t, loaded(t, document), Options{}, realDisk{})
	}
}

// loadsAsTheSame wants that what is printed of a document is the same configuration, except that
// secrets are refused until they are filled in.
func loadsAsTheSame(t *testing.T, l Loaded, o Options, d disk) {
	t.Helper()
	text := print(t, l)
	again, err := parse(l.Sources.document, []byte(text), o, d)
	if regexp.MustCompile(`(?m)^[^#].* = "\*\*\*"`).MatchString(text) {
		require.Error(t, err)
		for _, p := range err.(Problems) {
			require.Contains(t, p.Text, "*** is how a secret is shown")
		}
		filledIn := strings.ReplaceAll(text, `"***"`, `"0123456789abcdef"`)
		again, err = parse(l.Sources.document, []byte(filledIn), o, d)
	}
	require.NoError(t, err, text)
	if l.Config.Include == nil { // Otherwise keys have other sources.
		require.Equal(t, text, print(t, again))
	}
	l.Config.Include = nil
	same(reflect.ValueOf(&l.Config).Elem())
	same(reflect.ValueOf(&again.Config).Elem())
	require.Equal(t, l.Config, again.Config)
	require.Empty(t, Diff(l, again))
}

// same makes all secrets that there are the same.
func same(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[Secret]() && v.String() != "" {
			v.SetString("same")
		}
	case reflect.Pointer:
		if !v.IsNil() {
			same(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			same(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			same(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			same(value)
			v.SetMapIndex(key, value)
		}
	}
}

func TestViewHasValuesAndSources(t *testing.T) {
	l, err := Parse("c.toml", []byte(everything), Options{Getenv: env(map[string]string{EnvAdminToken: "hunter2hunter2hunter2"})})
	require.NoError(t, err)
	data, err := json.Marshal(l.View())
	require.NoError(t, err)
	require.NotContains(t, string(data), "hunter2")
	for _, want := range []string{
		`"listen":{"value":"127.0.0.1:8080","from":"default"},"read_token":{"value":"","from":"default"},"read_token_file":{"value":"","from":"default"},"token":{"value":"***","from":"EQUALIZER_ADMIN_TOKEN"},"token_file":{"value":"","from":"default"}}`,
		`"backends":[{"backup":{"value":false,"from":"default"},"max_in_flight":{"value":0,"from":"default"},"state":{"value":"ready","from":"default"},"url":{"value":"http://a:80","from":"c.toml:5"},"weight":{"value":1,"from":"default"}},{`,
		`"statuses":{"value":["200","300-399"],"from":"c.toml:6"}`,
		`"max_body":{"value":5,"from":"c.toml:22"}`,
		`"idle_timeout":{"value":null,"from":"the pool's"}`,
		`"client_share":{"value":0.5,"from":"default"}`,
		`"Authorization":{"value":"***","from":"c.toml:21"}`,
	} {
		require.Contains(t, string(data), want)
	}
}
