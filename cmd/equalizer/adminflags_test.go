package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// A file with a mistake may not say where its process is. What is on the default address may be
// another one, which is left alone.
func TestCommandsThatKnowNoAddress(t *testing.T) {
	const want = "equalizer: the configuration doesn't say where the process is; want --admin ADDRESS, or this mended:\n"
	for _, text := range []string{"[admin\n", "[admin]\nlisten = 8080\n", "[admin]\nlisten = \"nowhere\"\n", "admin = 1\n"} {
		file := writeFile(t, text)
		s := inShell(t, nil, "reload", "-c", file)
		assert.Equal(t, 1, s.code)
		assert.Contains(t, s.stderr.String(), want+file+":", text)
		f := startAdmin(t, map[string]string{"POST /reload": `200 {"changes":[],"warnings":[],"duration_seconds":0}`})
		f.prints(t, 0, "reloaded in 0s: nothing has changed\n", "", "reload", "-c", file)
	}
}

// Each error says what to do.
func TestCommandsThatReachNobody(t *testing.T) {
	address := deadtest.Address(t)
	f := func(env map[string]string, want string, args ...string) {
		t.Helper()
		s := inShell(t, env, append([]string{"status"}, args...)...)
		assert.Equal(t, 1, s.code)
		assert.Empty(t, s.stdout.String())
		assert.Equal(t, "equalizer: "+want+"\n", s.stderr.String())
	}
	f(nil, "nothing listens on "+address+": is equalizer running? Give its address by --admin, or its file by -c", "--admin", address)
	socket := filepath.Join(t.TempDir(), "admin.sock")
	f(nil, "nothing listens on unix://"+socket+": is equalizer running? Give its address by --admin, or its file by -c", "--admin", "unix://"+socket)
	file := writeFile(t, "[admin]\nlisten = \""+address+"\"\n[server]\nmax_body = -1\n")
	s := inShell(t, nil, "status", "-c", file)
	assert.Contains(t, s.stderr.String(), "nothing listens on "+address+": is equalizer running? Give its address by --admin, or its file by -c\n"+
		"The file that would say where it is has mistakes:\n"+file+":4: server.max_body: ")
	f(nil, "can't read the configuration: open nowhere.toml: no such file or directory", "-c", "nowhere.toml")
	f(nil, "--token-file: open nowhere: no such file or directory", "--token-file", "nowhere", "--admin", address)

	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	f(nil, strings.TrimPrefix(other.URL, "http://")+" responded 404, which isn't of equalizer's admin API: is it the proxy's port, or another program's? "+
		"Give the admin API's address by --admin, or its file by -c", "--admin", strings.TrimPrefix(other.URL, "http://"))
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	f(nil, "no response from the admin API at "+silent.Addr().String()+" in time", "--admin", silent.Addr().String(), "--timeout", "50ms")
}

// A file may have another address or token than the process has yet.
func TestReloadToWhatTheProcessDoesNotHaveYet(t *testing.T) {
	f := startAdmin(t, map[string]string{"POST /reload": `401 {"detail":"the token is not the configured one"}`})
	f.prints(t, 1, "", "equalizer: the token is not the configured one; "+
		"set EQUALIZER_ADMIN_TOKEN to the token of that process, or give a file that has it by --token-file.\n"+
		"If the token has changed, the process still has the former one: give that by --token-file, or send it SIGHUP\n", "reload")
	f.Close()
	s := inShell(t, nil, "reload", "-c", writeFile(t, "[admin]\nlisten = \""+f.address()+"\"\n[pools.a]\nbackends = [\"http://a\"]\n"))
	assert.Equal(t, 1, s.code)
	assert.Equal(t, "equalizer: nothing listens on "+f.address()+": is equalizer running? Give its address by --admin, or its file by -c.\n"+
		"If admin.listen has changed, the process still has the former one: give that by --admin, or send it SIGHUP\n", s.stderr.String())
}

func TestCommandsOfAPortThatSpeaksTLS(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("\x15\x03\x01\x00\x02\x02\x16"))
	}()
	defer ln.Close()
	s := inShell(t, nil, "status", "--admin", ln.Addr().String())
	assert.Equal(t, 1, s.code)
	assert.Equal(t, "equalizer: "+ln.Addr().String()+" doesn't speak HTTP: does it speak TLS, or is it another program's? "+
		"Give the admin API's address by --admin, with https:// in front if it speaks TLS, or its file by -c\n", s.stderr.String())
}

// The token is the file's that --token-file names, the environment's, or the configuration's.
func TestCommandsSendTheToken(t *testing.T) {
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"detail":"the token is not the configured one"}`)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	f := func(env map[string]string, wantSent, wantHint string, args ...string) {
		t.Helper()
		sent = nil
		s := inShell(t, env, append([]string{"backends"}, args...)...)
		assert.Equal(t, 1, s.code)
		assert.Equal(t, []string{wantSent}, sent)
		assert.Equal(t, "equalizer: the token is not the configured one; "+wantHint+"\n", s.stderr.String())
	}
	none := "set EQUALIZER_ADMIN_TOKEN to the token of that process, or give a file that has it by --token-file"
	f(nil, "", none, "--admin", address)
	env := map[string]string{"EQUALIZER_ADMIN_TOKEN": "of-the-environment"}
	f(env, "Bearer of-the-environment", "the token is from EQUALIZER_ADMIN_TOKEN", "--admin", address)
	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte("of-the-token-file\n"), 0o600))
	f(env, "Bearer of-the-token-file", "the token is from the file "+tokenFile, "--admin", address, "--token-file", tokenFile)
	file := writeFile(t, "[admin]\nlisten = \""+address+"\"\ntoken = \"of-the-configuration\"\n[pools.a]\nbackends = [\"http://a\"]\n")
	f(nil, "Bearer of-the-configuration", "the token is from the configuration "+file, "-c", file)
	f(map[string]string{"EQUALIZER_ADMIN_READ_TOKEN": "to-read-by-environment"}, "Bearer to-read-by-environment", "the token is from EQUALIZER_ADMIN_READ_TOKEN", "--admin", address)
	file = writeFile(t, "[admin]\nlisten = \""+address+"\"\nread_token = \"to-read-by-the-file\"\n[pools.a]\nbackends = [\"http://a\"]\n")
	f(nil, "Bearer to-read-by-the-file", "the token is from the configuration "+file, "-c", file)

	// A mistake elsewhere in the file hides neither the address nor the token.
	require.NoError(t, os.WriteFile(file, []byte("[admin]\nlisten = \""+address+"\"\ntoken = \"of-the-configuration\"\n"), 0o600))
	f(nil, "Bearer of-the-configuration", "the token is from the configuration "+file+"\n"+
		"The file that would say where it is has mistakes:\n"+file+`: pools: there is none; want [pools.default] with backends = ["http://HOST:PORT"]`, "-c", file)
}

// An API that speaks TLS is verified by the certificate that its configuration names, by --ca, or
// by the system's authorities.
func TestCommandsByTLS(t *testing.T) {
	const answer = "[" + oneBackend + "]"
	admin := &fakeAdmin{responses: map[string]string{"GET /backends": "200 " + answer, "GET /readyz": "200 {}"}}
	server := httptest.NewTLSServer(admin)
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that clients give up
	address := server.Listener.Addr().String()
	pemFile := func(der []byte) string {
		file := filepath.Join(t.TempDir(), "cert.pem")
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		return file
	}
	own := pemFile(server.Certificate().Raw)
	other, _ := tlstest.Files(t, tlstest.NewCA(t).Issue("admin.test"))
	configured := func(cert string) string {
		return writeFile(t, "[admin]\nlisten = \""+address+"\"\ncert = \""+cert+"\"\n[pools.a]\nbackends = [\"http://a\"]\n")
	}
	f := func(want string, args ...string) {
		t.Helper()
		s := inShell(t, nil, append([]string{"backends", "--json"}, args...)...)
		if want == "" {
			assert.Equal(t, answer+"\n", s.stdout.String(), s.stderr.String())
			return
		}
		assert.Equal(t, 1, s.code)
		assert.Contains(t, s.stderr.String(), want)
	}
	f("", "-c", configured(own))
	f("", "-c", configured(other), "--ca", own)
	f("", "--admin", "https://"+address, "--ca", own)
	f("", "-c", configured(own), "--admin", address)
	const untrusted = " isn't trusted: x509: certificate signed by unknown authority; give it, or its authority's, by --ca"
	f("the certificate of "+address+untrusted, "-c", configured(other))
	f("the certificate of "+address+untrusted, "--admin", "https://"+address)
	f(address+" responded 400, which isn't of equalizer's admin API", "--admin", "http://"+address)
	f("the admin API's certificate: open nowhere.pem: no such file or directory; give one that you can read by --ca", "--admin", "https://"+address, "--ca", "nowhere.pem")

	clear := startAdmin(t, admin.responses)
	f(clear.address()+" doesn't speak TLS: give its address by --admin http://"+clear.address(), "--admin", "https://"+clear.address())
	f("", "-c", configured(own), "--admin", "http://"+clear.address())

	// The health check takes any certificate, since it sends nothing that is secret.
	assert.Equal(t, 0, inShell(t, map[string]string{"EQUALIZER_ADMIN_TOKEN": "0123456789abcdef"}, "healthcheck", "-c", configured(other)).code)
}

func TestCommandsOverAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	admin := &fakeAdmin{responses: map[string]string{"GET /backends": "200 [" + oneBackend + "]", "GET /readyz": "200 {}"}}
	server := &http.Server{Handler: admin}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	for _, args := range [][]string{{"--admin", "unix://" + path}, {"-c", writeFile(t, "[admin]\nlisten = \"unix://"+path+"\"\n[pools.a]\nbackends = [\"http://a\"]\n")}} {
		s := inShell(t, nil, append([]string{"backends", "--json"}, args...)...)
		assert.Equal(t, "["+oneBackend+"]\n", s.stdout.String(), s.stderr.String())
		assert.Equal(t, 0, inShell(t, nil, append([]string{"healthcheck"}, args...)...).code)
	}
}
