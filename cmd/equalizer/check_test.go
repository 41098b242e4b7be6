package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files that can't be opened are named as the configuration names them.
func TestCheckShowsNoReferenceExpanded(t *testing.T) {
	check := func(text string) string {
		t.Helper()
		var out strings.Builder
		getenv := func(name string) string { return map[string]string{"PLANTED": "/none/hunter2"}[name] }
		require.Error(t, runCheck([]string{writeFile(t, text)}, terminal{stdout: &out, stderr: &out, getenv: getenv}))
		require.NotContains(t, out.String(), "hunter2")
		return out.String()
	}
	const pool = "[pools.web]\nbackends = [\"https://a\"]\n"
	require.Contains(t, check(pool+"tls.ca = \"${PLANTED}\"\n"), ":3: pools.web.tls.ca: open ${PLANTED}: no such file or directory\n")
	require.Contains(t, check(pool+"tls = { cert = \"${PLANTED}.pem\", key = \"${PLANTED}.key\" }\n"), "tls.cert: open ${PLANTED}.pem: no such")
	require.Contains(t, check(pool+"[[routes]]\nerror_pages.502 = \"${PLANTED}.html\"\n"), "open ${PLANTED}.html: no such file or directory\n")
	require.Contains(t, check(pool+"[limits.a]\nkey = \"${PLANTED}\"\n"), ":4: limits.a.key: ${PLANTED}: its value isn't accepted; want ip")
}

// With --print, standard output is the configuration alone, and checks as the same.
func TestCheckPrintsWhatIsInForce(t *testing.T) {
	getenv := func(name string) string {
		return map[string]string{"EQUALIZER_ADMIN_TOKEN": "hunter2hunter2hunter2"}[name]
	}
	check := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, err strings.Builder
		require.NoError(t, runCheck(args, terminal{stdout: &out, stderr: &err, getenv: getenv}))
		return out.String(), err.String()
	}
	file := writeFile(t, "[pools.web]\nbackends = [\"http://a\"]\n[limits.a]\nkey = \"header:X-Key\"\n")
	args := []string{"--print", file, "--listen", ":9", "--capacity", "5", "--store", "postgres://u:hunter2@db/x"}
	text, warnings := check(args...)
	require.Contains(t, text, "\n[server]\nlisten = \":9\" # --listen\n")
	require.Contains(t, text, "\n[limits.a]\nkey = \"header:X-Key\"\n#trusted_header = false\n#secret = true\ncapacity = 5 # --capacity\n")
	require.Contains(t, text, "\n#token = \"***\" # EQUALIZER_ADMIN_TOKEN\n")
	require.Contains(t, text, "\nhost = \"db\" # --store\n")
	require.NotContains(t, text+warnings, "hunter2")
	require.Contains(t, warnings, "warning: "+file+":4: limits.a.key: ")

	again, _ := check("--print", writeFile(t, text))
	require.Equal(t, strings.NewReplacer(" # --listen", "", " # --capacity", "", " # --store", "", "#password = \"***\"", "#password = \"\"").Replace(text), again)
}

func TestSchemaIsPrinted(t *testing.T) {
	var out strings.Builder
	require.NoError(t, runSchema(nil, terminal{stdout: &out}))
	require.True(t, json.Valid([]byte(out.String())))
	require.Contains(t, out.String(), `"title": "gopher-equalizer's configuration"`)
	require.ErrorContains(t, runSchema([]string{"x"}, terminal{stdout: &out}), `unexpected argument "x"`)
}
