//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that is a pipe is a mistake, wherever a configuration names it. Nothing waits for it:
// later reloads and the stop come.
func TestReloadOfAPipe(t *testing.T) {
	good := local0 + poolOf("web", lasting(t).URL)
	r := launchWith(t, good)
	pipe := filepath.Join(t.TempDir(), "pipe.html")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	secure := local0 + poolOf("web", "https://127.0.0.1:9") + "[pools.web.tls]\n"
	const listener = "[[listeners]]\nlisten = \"127.0.0.1:0\"\ntls = true\n"
	f := func(key, text string) {
		t.Helper()
		assert.Regexp(t, `"key":"`+regexp.QuoteMeta(key)+`",[^}]*no regular file; want one`, r.refuses(strings.ReplaceAll(text, "PIPE", pipe)))
	}
	f("admin.cert", local0+"cert = \"PIPE\"\nkey = \"PIPE\"\n"+poolOf("web", "http://127.0.0.1:9"))
	f("pools.web.tls.ca", secure+"ca = \"PIPE\"\n")
	f("pools.web.tls.cert", secure+"cert = \"PIPE\"\nkey = \"PIPE\"\n")
	f("routes[0].error_pages.503", good+"[[routes]]\npool = \"web\"\nerror_pages = { 503 = \"PIPE\" }\n")
	f("tls.certificates[0].cert", good+"[[tls.certificates]]\ncert = \"PIPE\"\nkey = \"PIPE\"\n"+listener)
	f("listeners[0].client_ca", good+listener+"client_auth = \"require\"\nclient_ca = \"PIPE\"\n")
	f("admin.token_file", local0+"token_file = \"PIPE\"\n"+poolOf("web", "http://127.0.0.1:9"))

	require.NoError(t, os.Rename(pipe, r.file))
	failed := r.logs.count("reload failed: nothing was changed")
	r.signal(syscall.SIGHUP)
	r.logs.nth(t, failed+1, "reload failed: nothing was changed")
	require.NoError(t, os.Remove(r.file))
	assert.Empty(t, r.reloads(good))
	r.stop()
}
