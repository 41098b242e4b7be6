package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With a secret key, neither the log nor the admin API ever shows its value; both show its hash.
func TestSecretsStaySecret(t *testing.T) {
	_, flags := startBackends(t, 1)
	const key, token = "a-very-secret-api-key", "an-admin-token-of-ours"
	p := spawnWith(t, binary, []string{"EQUALIZER_ADMIN_TOKEN=" + token},
		free(append(flags, "--key", "header:X-API-Key", "--capacity", "2", "--refill", "1/1h", "--store", "memory")...)...)
	p.awaitReady()
	for range 3 {
		p.get("/path", "X-API-Key", key, "Authorization", "Bearer other", "Cookie", "session=cookie-value")
	}
	admin := func(method, path, body string) answer {
		return p.do(method, p.admin+path, body, "Authorization", "Bearer "+token)
	}
	hash := sha256.Sum256([]byte(key))
	id := "sha256:" + hex.EncodeToString(hash[:])
	for _, path := range []string{"/buckets", "/buckets/" + key, "/buckets/" + id} {
		a := admin("GET", path, "")
		assert.Equal(t, 200, a.status, a.body)
		assert.Contains(t, a.body, id)
		assert.NotContains(t, a.body, key)
	}
	a := admin("PUT", "/buckets/"+key, `{"tokens":1}`)
	assert.Equal(t, 200, a.status, "operators name the client by the key itself: "+a.body)
	assert.Equal(t, 200, p.get("/", "X-API-Key", key).status)
	p.stop()

	log := p.logs.text()
	assert.Contains(t, log, id)
	for _, secret := range []string{key, token, "Bearer", "cookie-value"} {
		assert.NotContains(t, log, secret)
	}
	line := p.logs.await(t, "request")
	for _, field := range []string{"ts", "level", "msg", "request", "status", "size", "duration", "backend", "backend_duration", "retries", "request_id", "limit", "limit_result"} {
		assert.Contains(t, line, field)
	}
	for _, field := range []string{"method", "host", "uri", "proto", "client_ip", "remote_ip"} {
		assert.Contains(t, line["request"], field)
	}
}

func TestAccessLogCanBeSwitchedOff(t *testing.T) {
	backends, _ := startBackends(t, 1)
	p := launch(t, free("-c", configFile(t, "[pools.default]\nbackends = [%s]\n[log]\naccess = false\n", backends))...)
	require.Equal(t, 200, p.get("/").status)
	p.stop()
	assert.NotContains(t, p.logs.text(), `"msg":"request"`)
}

func TestHealthcheck(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launch(t, free(flags...)...)
	address := strings.TrimPrefix(p.admin, "http://")
	out, err := exec.Command(binary, "healthcheck", "--admin", address).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Empty(t, out)
	// A mistake in the file isn't one of the running process.
	for _, mistake := range []string{"", "[server]\nlisten = 1\n"} {
		out, err = exec.Command(binary, "healthcheck", "-c", writeFile(t, "[admin]\nlisten = \""+address+"\"\n"+mistake)).CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Empty(t, out)
	}
	out, err = exec.Command(binary, "healthcheck", "-c", "nowhere.toml").CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, "equalizer: can't read the configuration: open nowhere.toml: no such file or directory\n", string(out))
	p.stop()
	out, err = exec.Command(binary, "healthcheck", "--admin", strings.TrimPrefix(p.admin, "http://")).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "nothing listens on "+address)
}

func TestCheckSaysAllThatIsWrong(t *testing.T) {
	bad := writeFile(t, `[server]
listen = "8000"
[pools.default]
backends = ["ftp://x"]
[limits.default]
key = "cookie:x"
refill = "fast"
colour = "blue"
`)
	out, err := exec.Command(binary, "check", bad).CombinedOutput()
	require.Error(t, err)
	for _, want := range []string{":2: server.listen:", ":4: pools.default.backends[0]", ":6: limits.default.key:", ":7: limits.default.refill:", ":8: limits.default.colour:", "problems found: 5"} {
		assert.Contains(t, string(out), want)
	}
	out, err = exec.Command(binary, "check", "-c", "../../config/config.toml").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "the configuration is good")

	good := writeFile(t, "[pools.default]\nbackends = [\"http://127.0.0.1:1\"]\n")
	out, err = exec.Command(binary, "check", good, "--store", "x.db").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "warning: --store: store.driver: nothing is limited, so nothing is stored")
}
