package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// text is what a file holds; "" if there is none.
func text(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}

// In the combined format a file has the requests, and standard error the rest. At SIGUSR1, and at a
// reload, it is opened anew, and no line is lost.
func TestLogFileIsRotated(t *testing.T) {
	_, flags := startBackends(t, 1)
	path := filepath.Join(t.TempDir(), "access.log")
	config := local0 + poolOf("www", flags[1]) + fmt.Sprintf("[log]\nformat = \"combined\"\noutput = %q\n", path)
	p := launchWith(t, config)
	const requests = 20
	lines := func(path string) int { return strings.Count(text(path), "\n") }
	for i, rotate := range []func(){
		func() { p.signal(syscall.SIGUSR1) },
		func() { require.Equal(t, 200, p.call("POST", "/reload", "{}").status) },
	} {
		for range requests {
			require.Equal(t, 200, p.get("/rotated?token=hush", "User-Agent", "test \"agent\"", "Referer", "http://x/?code=hush").status)
		}
		former := fmt.Sprint(path, ".", i)
		require.NoError(t, os.Rename(path, former))
		rotate()
		p.await("another file", func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
		p.await("all lines", func() bool { return lines(former)+lines(path) == requests })
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(former, nil, 0o600))
		p.signal(syscall.SIGUSR1)
		p.await("one more", func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
	}
	require.Equal(t, 200, p.get("/last?token=hush", "User-Agent", "test \"agent\"", "Referer", "http://x/?code=hush").status)
	p.await("the last line", func() bool { return lines(path) == 1 })
	assert.Regexp(t, `^127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /last\?token=\*\*\* HTTP/1\.1" 200 \d+ "http://x/\?code=\*\*\*" "test \\x22agent\\x22"\n$`, text(path))
	p.stop()
	assert.Contains(t, p.logs.text(), `"msg":"ready"`)
	assert.NotContains(t, p.logs.text(), "/rotated")
}

// A file that can't be opened is a mistake like others.
func TestLogFileThatCannotBeOpened(t *testing.T) {
	_, flags := startBackends(t, 1)
	base := local0 + poolOf("www", flags[1])
	bad := base + "[log]\noutput = \"/nowhere/access.log\"\n"
	p := spawn(t, "-c", writeFile(t, bad))
	require.Equal(t, 1, p.wait())
	assert.Contains(t, p.logs.text(), "log.output: open /nowhere/access.log: no such file or directory")

	r := launchWith(t, base)
	r.write(bad)
	a := r.call("POST", "/reload", "{}")
	assert.Equal(t, 422, a.status)
	assert.Contains(t, a.body, "log.output")
	require.Equal(t, 200, r.get("/").status)
	r.stop()
	assert.Contains(t, r.logs.text(), `"msg":"request"`)
}

// A secret in a query, or where one leads to, is in no output, whatever its format is. Its name may
// be written in any way that servers read.
func TestSecretsInTargetsAreMaskedEverywhere(t *testing.T) {
	t.Parallel()
	_, flags := startBackends(t, 1)
	const secret = "hunter2-planted"
	for _, log := range []string{
		"headers = [\"User-Agent\", \"Referer\"]\ntime = \"unix\"\n", "format = \"console\"\n", "format = \"combined\"\n",
	} {
		p := spawn(t, "-c", writeFile(t, local0+poolOf("www", flags[1])+"[log]\n"+log))
		ready := p.logs.awaitText(t, regexp.MustCompile(`ready.*proxy=(\S+).*admin=(\S+)|"proxy":"([^"]+)","admin":"([^"]+)".*"ready"`))
		p.proxy, p.admin = "http://"+ready[1]+ready[3], "http://"+ready[2]+ready[4]
		tail := p.stream("/tail")
		for _, target := range []string{"/?token=" + secret, "/?a=b&%74oken=" + secret, "/?Access_Token=" + secret, "/?user[password]=" + secret + "&c=d"} {
			require.Equal(t, 200, p.get(target, "Referer", "https://x/?sig="+secret+"#key="+secret, "Authorization", "Bearer "+secret, "Cookie", "a="+secret).status)
		}
		assert.Contains(t, p.refused("GET /?token="+secret+" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), " 400 ")
		for _, path := range []string{"/errors", "/refusals", "/status", "/metrics", "/config", "/backends", "/routes", "/limits"} {
			a := p.call("GET", path, "")
			require.Equal(t, 200, a.status)
			assert.NotContains(t, a.body, secret, path)
		}
		explained := p.call("POST", "/explain", `{"host":"a","path":"/?a=b&%74oken=`+secret+`","headers":["Referer: https://x/?sig=`+secret+`"]}`)
		require.Equal(t, 200, explained.status)
		assert.NotContains(t, explained.body, secret)
		lines := tail(5, "event: line")
		assert.Contains(t, lines, "oken=***")
		assert.NotContains(t, lines, secret)
		assert.NotContains(t, p.stream("/events")(1, "event: change"), secret)
		p.stop()
		written := p.logs.text()
		assert.Contains(t, written, "token=***")
		assert.NotContains(t, written, secret, log)
	}
}

// stream begins to read a stream of the admin API. What it returns reads on until a text has come
// so often, and returns all that came.
func (p *proxied) stream(path string) (until func(times int, text string) string) {
	p.t.Helper()
	response, err := (&http.Client{Timeout: deadline}).Get(p.admin + path)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { response.Body.Close() })
	require.Equal(p.t, 200, response.StatusCode)
	lines, came := bufio.NewReader(response.Body), ""
	return func(times int, text string) string {
		p.t.Helper()
		for end := false; !end; end = strings.Count(came, text) >= times && strings.HasSuffix(came, "\n\n") {
			line, err := lines.ReadString('\n')
			require.NoError(p.t, err, came)
			came += line
		}
		return came
	}
}

// refused sends a malformed request, and returns the response.
func (p *proxied) refused(request string) string {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.proxy, "http://"))
	require.NoError(p.t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(p.t, err)
	response, err := io.ReadAll(conn)
	require.NoError(p.t, err)
	return string(response)
}

// Lines have what is asked for: the headers, the time as a number, and only what is worth one.
func TestLogOfWhatIsAskedFor(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launchWith(t, local0+poolOf("www", flags[1])+"[[routes]]\npool = \"www\"\npath_prefix = \"/a\"\n[log]\nheaders = [\"User-Agent\"]\ntime = \"unix\"\nmin_status = 400\n")
	require.Equal(t, 200, p.get("/a", "User-Agent", "unlogged").status)
	require.Equal(t, 404, p.get("/b", "User-Agent", "logged").status)
	line := p.logs.await(t, "request")
	assert.Equal(t, map[string]any{"User-Agent": []any{"logged"}}, line["request"].(map[string]any)["headers"])
	assert.Greater(t, line["ts"].(float64), 1.7e9)
	p.stop()
	assert.NotContains(t, p.logs.text(), "unlogged")
}
