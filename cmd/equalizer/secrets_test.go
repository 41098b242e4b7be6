package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// planted are configurations with secrets in every kind of place, each with a planted word. DIR is
// the folder of files.
const planted = local0 + `token_file = "DIR/token"
[store]
path = "DIR/buckets.db"
[store.postgres]
password = "hunter2-password"
user = "${PLANTED}"
[pools.web]
backends = ["BACKEND"]
host = "${PLANTED_HOST}"
[[routes]]
name = "hidden"
match_headers = { X-Edge = "${file:DIR/edge}" }
redirect.to = "https://${PLANTED_HOST}/"
[[routes]]
path_prefix = "/open"
request_headers = { set = { Authorization = "Bearer hunter2-literal" }, add = { X-Also = "${PLANTED}" } }
response_headers.set.X-Secret = "${file:DIR/edge}"
[[routes]]
name = "${PLANTED}"
host = "${PLANTED_HOST}"
path_prefix = "/${PLANTED}"
set_host = "to.${PLANTED_HOST}"
strip_prefix = "/${PLANTED}"
add_prefix = "/to/${PLANTED}"
expose_to = ["https://${PLANTED_HOST}"]
[limits.default]
key = "header:${PLANTED}"
trusted_header = true
`

// TestSecretsAreShownNowhere plants secrets and references, uses them, and looks for them in
// whatever a process tells of its configuration.
func TestSecretsAreShownNowhere(t *testing.T) {
	got := make(chan http.Header, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open" {
			got <- r.Header.Clone()
		}
	}))
	t.Cleanup(backend.Close)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("token", "hunter2-token-0123456789\n")
	write("edge", "hunter2-edge\n")
	text := strings.NewReplacer("DIR", dir, "BACKEND", backend.URL).Replace(planted)
	file := writeFile(t, text)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	taken, leaving := busy.Addr().String(), "http://127.0.0.9:9"
	env := []string{"PLANTED_TAKEN=" + taken, "PLANTED_BACKEND=" + leaving, "PLANTED_PATH=" + dir + "/hunter2-none/file", "PLANTED=hunter2-env", "PLANTED_HOST=hunter2.example", "EQUALIZER_ADMIN_TOKEN="}
	p := spawnWith(t, binary, env, "-c", file)
	p.awaitReady()

	// They are in use.
	answer := p.get("/open")
	require.Equal(t, 200, answer.status)
	require.Equal(t, "hunter2-edge", answer.header.Get("X-Secret"))
	headers := <-got
	require.Equal(t, "Bearer hunter2-literal", headers.Get("Authorization"))
	require.Equal(t, "hunter2-env", headers.Get("X-Also"))
	redirected, err := http.NewRequest(http.MethodGet, p.proxy, nil)
	require.NoError(t, err)
	redirected.Header.Set("X-Edge", "hunter2-edge")
	response, err := http.DefaultTransport.RoundTrip(redirected) // It doesn't go there.
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, "https://hunter2.example/", response.Header.Get("Location"))

	var shown strings.Builder
	call := func(method, path, body string, status int) string {
		t.Helper()
		a := p.do(method, p.admin+path, body, "Authorization", "Bearer hunter2-token-0123456789")
		require.Equal(t, status, a.status, a.body)
		shown.WriteString(a.body)
		return a.body
	}
	require.Contains(t, call("GET", "/config", "", 200), `"X-Also":{"value":"${PLANTED}","from":"`+file)
	require.Contains(t, call("GET", "/routes", "", 200), `"X-Edge":"${file:`+dir+`/edge}"`)
	require.Contains(t, call("GET", "/limits", "", 200), `"key":"header:${PLANTED}"`)
	require.Contains(t, call("POST", "/explain", `{"host":"x.test","path":"/open"}`, 200), `"${PLANTED}"`)
	for _, path := range []string{"/status", "/backends", "/metrics", "/listeners", "/config/changes"} {
		call("GET", path, "", 200)
	}

	// Changed, by a reload, and refused.
	write("edge", "hunter2-other")
	write("token", "hunter2-token-9876543210\n")
	changed := strings.Replace(text, "hunter2-literal", "hunter2-changed", 1)
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	difference := call("POST", "/reload", "{}", 200)
	for key, kind := range map[string]string{
		"admin.token": "changed", `routes[\"hidden\"].match_headers.X-Edge`: "content",
		`routes[\"/open\"].request_headers.set.Authorization`: "changed", `routes[\"/open\"].response_headers.set.X-Secret`: "content",
	} {
		require.Contains(t, difference, `{"key":"`+key+`","kind":"`+kind+`"`)
	}
	again := func(method, path, body string, status int) string {
		t.Helper()
		a := p.do(method, p.admin+path, body, "Authorization", "Bearer hunter2-token-9876543210")
		require.Equal(t, status, a.status, a.body)
		shown.WriteString(a.body)
		return a.body
	}
	for _, mistake := range []string{
		"[log]\nlevel = \"${PLANTED}\"\n", "[pools.b]\nbackends = [\"${PLANTED}\"]\n",
		"[limits.b]\nrefill = \"${PLANTED}\"\n", "[[routes]]\npool = \"${PLANTED}\"\n", "[[routes]]\nrequest_headers.set.A = \"hunter2\\n\"\n",
		"[[routes]]\nerror_pages.502 = \"${PLANTED}.html\"\n",
	} {
		require.NoError(t, os.WriteFile(file, []byte(changed+mistake), 0o600))
		again("POST", "/reload", "{}", 422)
	}

	// Quoted by what the system says of them.
	for what, as := range map[string]string{
		"[server]\nlisten = \"127.0.0.1:0\"":         "[server]\nlisten = \"${PLANTED_TAKEN}\"",
		"[admin]\nlisten = \"127.0.0.1:0\"":          "[admin]\nlisten = \"${PLANTED_TAKEN}\"",
		"[store]\npath = \"" + dir + "/buckets.db\"": "[log]\noutput = \"${PLANTED_PATH}\"\n[store]\npath = \"" + dir + "/buckets.db\"",
		"path = \"" + dir + "/buckets.db\"":          "path = \"${PLANTED_PATH}\"",
	} {
		require.Contains(t, changed, what)
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(changed, what, as, 1)), 0o600))
		refused := again("POST", "/reload", "{}", 422)
		assert.NotContains(t, refused, taken)
		assert.NotContains(t, again("GET", "/status", "", 200), taken)
	}
	assert.NotContains(t, p.logs.text(), taken)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(changed, `"`+backend.URL, `"${PLANTED_BACKEND}", "`+backend.URL, 1)), 0o600))
	again("POST", "/reload", "{}", 200)
	again("PATCH", "/backends/web/"+leaving, `{"state":"drain"}`, 200)
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	for _, answer := range []string{again("GET", "/config/changes", "", 200), again("POST", "/reload", "{}", 200)} {
		assert.Contains(t, answer, "web/${PLANTED_BACKEND}: it leaves the configuration")
		assert.NotContains(t, answer, leaving)
	}
	assert.NotContains(t, p.logs.text(), leaving+": it leaves")

	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	check := exec.Command(binary, "check", "--print", file)
	check.Env = append(os.Environ(), env...)
	printed, err := check.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	p.stop()
	for where, what := range map[string]string{"the admin API": shown.String(), "check --print": string(printed), "the log": p.logs.text()} {
		assert.NotContains(t, what, "hunter2", where)
	}
}
