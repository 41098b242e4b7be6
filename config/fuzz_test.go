package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// FuzzParse: whatever the document is, Parse ends without a panic. What it accepts is valid, and is
// the same once it is printed. Its problems point into the document and show no secret.
func FuzzParse(f *testing.F) {
	file, err := os.ReadFile("config.toml")
	require.NoError(f, err)
	f.Add(regexp.MustCompile(`(?m)^(#.*)?\n`).ReplaceAllString(string(file), "")) // small seeds make a fast fuzzer
	f.Add(pool)
	f.Add("[[pools.default.backends]]\nurl = \"http://[::1]:80\"\n[limits.a]\nrefill = \"5/10s\"\n")
	f.Add("server = 1\npools.a.backends = [{}, 2, \"x\"]\n[[admin]]\n")
	f.Add(site + "pool = \"app\"\nlimits = [\"gold\"]\ncost = 2\nrequest_headers.set.A = \"b\"\nstrip_prefix = \"/a\"\n[[routes]]\nhost = \"*.b\"\nredirect.to = \"https://$host$path\"\n")
	f.Add("[[routes]]\nerror_pages.502 = \"a.html\"\nrespond = { status = 204 }\n[[limits.a.exempt]]\nnetworks = [\"::1\"]\n")
	f.Add("a = 1\n[b.c]\nd = [1, {e = 'f'}]\n[[g]]\n")
	f.Add("include = [\"*.toml\", \"${F}\"]\n" + pool + "health.path = \"${P}/${file:path}\"\n[admin]\ntoken_file = \"path\"\n")
	f.Add("[pools.a]\nbackends_file = \"servers\"\nbackends = [\"http://${P}\"]\n")
	const secret = "hunter2-hunter2-hunter2"
	getenv := env(map[string]string{EnvAdminToken: secret + "\n", EnvPostgresPassword: secret})
	d := fstest.MapFS{
		"a.toml":   {Data: []byte("[server]\nvia = \"${P}\"\n[[routes]]\npath_prefix = \"/a\"\nlimits = [\"a\"]\n")},
		"b/c.toml": {Data: []byte("[limits.a]\nrefill = \"${file:refill}\"\n[[routes]]\n")},
		"path":     {Data: []byte("planted-planted-planted\n")},
		"servers":  {Data: []byte("http://a weight=2\nhttp://b backup # far\n")},
		"refill":   {Data: []byte("3/7s\n")},
	}
	planted := env(map[string]string{"P": "planted", "F": "b/c.toml"})
	f.Fuzz(func(t *testing.T, document string) {
		o := Options{Getenv: planted}
		l, err := parse("c.toml", []byte(document), o, d)
		c, warnings := l.Config, l.Warnings
		if err == nil {
			require.Empty(t, c.Validate())
			require.Empty(t, Diff(l, l))
			if !strings.Contains(document, starred) {
				loadsAsTheSame(t, l, o, d)
			}
			if !strings.Contains(document, "planted") {
				require.NotContains(t, print(t, l), "planted")
			}
		} else {
			require.NotEmpty(t, err.(Problems))
			warnings = err.(Problems)
		}
		for _, p := range warnings {
			require.True(t, p.Source != "c.toml" || p.Line <= 1+strings.Count(document, "\n"))
			require.True(t, p.Line > 0 || p.Key != "" || p.Source != "c.toml", "a syntax error has a line")
			require.True(t, !strings.Contains(p.String(), "planted") || strings.Contains(document, "planted"))
		}
		_, err = parse("c.toml", []byte(document), Options{Getenv: getenv}, d)
		require.Error(t, err) // the token has a newline
		require.True(t, !strings.Contains(err.Error(), secret) || strings.Contains(document, secret))
	})
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"1KiB/s", "0", "0/s", "512/s", "1KiB", "/s", "-1/s", "1KiB/s/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := ParseRate(text)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, rate, Rate(0))
		again, err := ParseRate(rate.String())
		require.NoError(t, err)
		require.Equal(t, rate, again)
	})
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"0", "16KiB", "1GiB", "-1", "1.5MiB", "8388608TiB", "B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, size, Size(0))
		again, err := ParseSize(size.String())
		require.NoError(t, err)
		require.Equal(t, size, again)
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"5s", "0", "-5s", "1h30m", "1.5h", "9999999h", ".s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, d, 0*d)
		again, err := parseDuration(gcra.ShortDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}

// FuzzParseBackend: an accepted URL has an address that reads back as itself, and only with https a
// name to verify.
func FuzzParseBackend(f *testing.F) {
	for _, seed := range []string{
		"http://localhost:8081", "http://[::1%a]", "http://a.b.", "http://1.2.3.4:0", "http://:80",
		"https://a", "HTTPS://[::1%a]:1", "unix:///run/app.sock", "unix:///a/../b", "unix:///a%2fb", "unix://a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		addr, name := DefaultBackend(url).Addr(), DefaultBackend(url).ServerName()
		scheme, _, _ := strings.Cut(strings.ToLower(url), "://")
		switch {
		case addr == "":
			require.Empty(t, name)
			return
		case scheme == "unix":
			require.Equal(t, url[len("unix://"):], addr)
		default:
			require.NotContains(t, addr, "/")
			require.NotContains(t, addr, "@")
		}
		require.Equal(t, addr, DefaultBackend(scheme+"://"+addr).Addr())
		require.Equal(t, name, DefaultBackend(scheme+"://"+addr).ServerName())
		require.Equal(t, scheme == "https", name != "")
		require.NotContains(t, name, "%")
	})
}
