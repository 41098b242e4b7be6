package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/config"
)

// replace puts the content of one file in place of another's, whole. The other need not exist.
func replace(t *testing.T, file, by string) {
	t.Helper()
	text, err := os.ReadFile(by)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file+".new", text, 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

// secureCall calls an admin API by TLS on a connection of its own.
func secureCall(t *testing.T, method, url, token string, roots *x509.CertPool) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequest(method, url, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "admin.test"},
	}}
	response, err := client.Do(request)
	if err == nil {
		require.NoError(t, response.Body.Close())
	}
	return response, err
}

// The admin API by TLS on all addresses: tokens count as in clear, and a reload changes the
// certificate, and whether there is TLS at all, without another listener.
func TestAdminByTLS(t *testing.T) {
	first, second := tlstest.NewCA(t), tlstest.NewCA(t)
	cert, key := tlstest.Files(t, first.Issue("admin.test"))
	const tokens = "token = \"0123456789abcdef\"\nread_token = \"fedcba9876543210\"\n"
	text := func(listen, admin string) string {
		return fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = %q\n%s%s", listen, tokens, admin) +
			poolOf("web", "http://127.0.0.1:1")
	}
	secure := fmt.Sprintf("cert = %q\nkey = %q\n", cert, key)
	r := launchWith(t, text(":0", secure))
	at := strings.TrimPrefix(r.admin, "http://")
	status := func(method, path, token string, ca *tlstest.CA) int {
		t.Helper()
		response, err := secureCall(t, method, "https://"+at+path, token, ca.Roots())
		require.NoError(t, err)
		return response.StatusCode
	}
	assert.Equal(t, 200, status("GET", "/status", "0123456789abcdef", first))
	assert.Equal(t, 200, status("GET", "/config", "fedcba9876543210", first))
	assert.Equal(t, 403, status("DELETE", "/backends/web/http://127.0.0.1:1/override", "fedcba9876543210", first))
	assert.Equal(t, 401, status("GET", "/status", "0123456789abcdee", first))
	a, err := do("GET", r.admin+"/status", "")
	require.NoError(t, err)
	assert.Equal(t, 400, a.status)
	assert.Contains(t, a.body, "want https://")

	// A certificate that can't be used changes nothing.
	otherCert, otherKey := tlstest.Files(t, second.Issue("admin.test"))
	replace(t, cert, otherCert)
	r.signal(syscall.SIGHUP)
	refused := r.logs.nth(t, 1, "reload failed: nothing was changed")
	assert.Contains(t, fmt.Sprint(refused), "admin.key: "+key+": its key isn't that of the certificate in "+cert)
	assert.Equal(t, 200, status("GET", "/status", "0123456789abcdef", first))

	replace(t, key, otherKey)
	r.signal(syscall.SIGHUP)
	r.logs.nth(t, 1, "reloaded")
	assert.Equal(t, 200, status("GET", "/status", "0123456789abcdef", second))
	_, err = secureCall(t, "GET", "https://"+at+"/status", "", first.Roots())
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))

	// In clear again, on the same listener.
	r.write(text(":0", "insecure = true\n"))
	r.signal(syscall.SIGHUP)
	r.logs.nth(t, 2, "reloaded")
	a, err = do("GET", r.admin+"/status", "", "Authorization", "Bearer 0123456789abcdef")
	require.NoError(t, err)
	assert.Equal(t, 200, a.status)
	r.stop()
}

// selfSigned is a certificate that is its own authority, as openssl makes it.
func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A reload by command takes a certificate that was renewed, though the process still shows the
// former one, if an authority vouches for that.
func TestReloadToARenewedCertificate(t *testing.T) {
	root := tlstest.NewCA(t)
	cert, key := tlstest.Files(t, root.Below().Issue("admin.test"))
	at := freeAddress(t)
	r := launchWith(t, fmt.Sprintf(byReload+"listen = \"127.0.0.1:0\"\n[admin]\nlisten = %q\ncert = %q\nkey = %q\n", at, cert, key)+
		poolOf("web", "http://127.0.0.1:1"))
	run := func(authority string, args ...string) (string, error) {
		cmd := exec.Command(binary, append(args, "-c", r.file)...)
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+authority, "SSL_CERT_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	renewed, renewedKey := tlstest.Files(t, root.Below().Issue("admin.test"))
	replace(t, cert, renewed)
	replace(t, key, renewedKey)
	out, err := run(tlstest.NewCA(t).File(), "status")
	require.Error(t, err, out)
	out, err = run(root.File(), "reload")
	require.NoError(t, err, out)
	out, err = run(tlstest.NewCA(t).File(), "status")
	require.NoError(t, err, out)
	assert.Contains(t, out, "at "+at+": ready")
	r.stop()
}

// A supervisor's socket may be reached from elsewhere though the configured address isn't.
func TestInheritedAdminThatOthersReach(t *testing.T) {
	f := func(admin api.Settings, want string) {
		t.Helper()
		ln, err := net.Listen("tcp", "0.0.0.0:0")
		require.NoError(t, err)
		c := config.Config{Admin: config.Admin{Listen: "127.0.0.1:8080"}}
		listen, err := sockets{{ln, adminSocket}}.assign(c)
		require.NoError(t, err)
		to := &inForce{Loaded: config.Loaded{Config: c}, settings: admin}
		change := &change{p: newProcess(configured{first: to.Loaded}, runLog{}, listen), to: to}
		defer change.discard()
		err = change.listenForAdmin(t.Context())
		if want == "" {
			require.NoError(t, err)
			return
		}
		assert.ErrorContains(t, err, want)
	}
	f(api.Settings{}, "admin.listen: other machines reach the admin API on ")
	f(api.Settings{Token: "x"}, "the token would cross the network in clear")
	f(api.Settings{Token: "x", Insecure: true}, "")
	f(api.Settings{Token: "x", TLS: &tls.Config{}}, "")
}

func TestAdminCertificateMistakes(t *testing.T) {
	cert, key := tlstest.Files(t, tlstest.NewCA(t).Issue("a.test"))
	f := func(a config.Admin, key, text string) {
		t.Helper()
		none, problems := loadAdminCertificate(a)
		assert.Nil(t, none)
		require.NotEmpty(t, problems)
		assert.Equal(t, key, problems[0].Key)
		assert.Contains(t, problems[0].Text, text)
		assert.Equal(t, problems, checkFiles(config.Config{Admin: a}))
	}
	none := filepath.Join(t.TempDir(), "none")
	f(config.Admin{Cert: none, Key: key}, "admin.cert", "no such file")
	f(config.Admin{Cert: cert, Key: none}, "admin.key", "no such file")
	f(config.Admin{Cert: cert}, "admin.cert", "there is no private key in it")
	f(config.Admin{Cert: cert, Key: cert}, "admin.key", "there is no private key in it")
	a := config.Admin{Cert: cert, Key: key}
	good, problems := loadAdminCertificate(a)
	assert.Empty(t, problems)
	assert.NotNil(t, adminTLS(good))
	assert.Nil(t, adminTLS(nil))
	assert.Equal(t, map[string]string{"admin.cert": cert, "admin.key": key}, config.Config{Admin: a}.NamedFiles())
}

// A check warns of a certificate that is about to be refused, and GET /certificates has it.
func TestAdminCertificateThatExpires(t *testing.T) {
	cert, key := tlstest.Files(t, tlstest.NewCA(t).IssueExpired("admin.test"))
	text := local0 + "cert = " + strconv.Quote(cert) + "\nkey = " + strconv.Quote(key) + "\n" + poolOf("web", "http://127.0.0.1:1")
	file := writeFile(t, text)
	s := inShell(t, nil, "check", file)
	assert.Contains(t, s.stdout.String()+s.stderr.String(), file+":5: admin.cert: "+cert+": the certificate for admin.test expired at ")

	r := launchWith(t, text)
	r.logs.awaitLine(t, "the warning", func(line string) bool { return strings.Contains(line, "the certificate for admin.test expired at ") })
	out, err := exec.Command(binary, "healthcheck", "--admin", "https://"+strings.TrimPrefix(r.admin, "http://")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	chain, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // It is the very certificate, and has expired.
		VerifyConnection: func(is tls.ConnectionState) error {
			assert.Equal(t, chain.Certificate[0], is.PeerCertificates[0].Raw)
			return nil
		},
	}}}
	response, err := client.Get("https://" + strings.TrimPrefix(r.admin, "http://") + "/certificates")
	require.NoError(t, err)
	defer response.Body.Close()
	var all []api.Certificate
	require.NoError(t, json.NewDecoder(response.Body).Decode(&all))
	require.Len(t, all, 1)
	assert.True(t, all[0].Admin)
	assert.Equal(t, []string{"admin.test"}, all[0].Names)
	assert.Equal(t, cert, all[0].Cert)
	assert.Equal(t, -1, all[0].DaysLeft)
	assert.Contains(t, strings.Join(all[0].Warnings, "\n"), "expired at ")
	r.stop()
}

// The keys of the admin API's session tickets are others after a while.
func TestAdminTicketKeysRotate(t *testing.T) {
	cert, key := tlstest.Files(t, tlstest.NewCA(t).Issue("admin.test"))
	loaded, problems := loadAdminCertificate(config.Admin{Cert: cert, Key: key})
	require.Empty(t, problems)
	synctest.Test(t, func(t *testing.T) {
		server := adminTLS(loaded)
		if server.GetConfigForClient != nil {
			var err error
			server, err = server.GetConfigForClient(&tls.ClientHelloInfo{})
			require.NoError(t, err)
		}
		sessions := tls.NewLRUClientSessionCache(1)
		shake := func() {
			ours, theirs := net.Pipe()
			shaken := make(chan error, 1)
			go func() { shaken <- tls.Server(ours, server).Handshake() }()
			require.NoError(t, tls.Client(theirs, &tls.Config{
				ServerName: "admin.test", InsecureSkipVerify: true, ClientSessionCache: sessions,
				MaxVersion: tls.VersionTLS12, // Its ticket comes within the handshake.
			}).Handshake())
			require.NoError(t, <-shaken)
		}
		shake()
		session, ok := sessions.Get("admin.test")
		require.True(t, ok)
		ticket, _, err := session.ResumptionState()
		require.NoError(t, err)
		state, err := server.DecryptTicket(ticket, tls.ConnectionState{})
		require.NoError(t, err)
		require.NotNil(t, state)
		time.Sleep(9 * 24 * time.Hour)
		state, err = server.DecryptTicket(ticket, tls.ConnectionState{})
		require.NoError(t, err)
		assert.Nil(t, state, "the key is gone")
	})
}
