//go:build e2e && linux

package authority

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/testbed"
)

// shortLife is for how many seconds certificates are good that are to be renewed in a test. A
// renewal is due after two thirds of that.
const shortLife = 18

// inFile is the configuration of a store in a new file.
func inFile(t *testing.T) string {
	return fmt.Sprintf("[store]\npath = %q\n", filepath.Join(t.TempDir(), "equalizer.db"))
}

// open opens a connection to a host by TLS. It ends with the test.
func (p *edgeProcess) open(host string, sessions tls.ClientSessionCache) *tls.Conn {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.secure, &tls.Config{ServerName: host, RootCAs: p.authority.Issuing(), ClientSessionCache: sessions})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request over a connection, and reads the response.
func ask(t *testing.T, conn *tls.Conn, host string) {
	t.Helper()
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "https", string(body))
}

// A certificate is renewed in time. New connections get the new one, those that are kept go on, and
// sessions are resumed over it.
func TestShippedRenewal(t *testing.T) {
	s := newShipped(t, shortLife)
	p := s.start(s.web, s.secure, inFile(t), nil, "one.test")
	first := p.awaits("one.test")
	sessions := tls.NewLRUClientSessionCache(1)
	kept := p.open("one.test", sessions)
	ask(t, kept, "one.test") // The ticket comes before the response.
	p.awaitsOther("one.test", first)
	assert.True(t, p.open("one.test", sessions).ConnectionState().DidResume)
	ask(t, kept, "one.test")
	assert.True(t, kept.ConnectionState().PeerCertificates[0].Equal(first))
	assert.Equal(t, 2, s.authority.Orders())
	assert.True(t, p.said("a certificate was issued"))
}

// While the authority is away when a certificate is to be renewed, the old one is served, and the
// log and the admin API say so. It is renewed once the authority is back.
func TestShippedRenewalWithoutAuthority(t *testing.T) {
	s := newShipped(t, shortLife)
	p := s.start(s.web, s.secure, inFile(t), nil, "one.test")
	first := p.awaits("one.test")
	require.Empty(t, p.certificates()[0].Warnings)
	s.authority.GoAway()
	eventually(t, "a line of the log", func() bool { return p.said("there is no newer certificate yet") })
	assert.True(t, p.open("one.test", nil).ConnectionState().PeerCertificates[0].Equal(first))
	_, err := testbed.Get(s.ctx, "http://"+p.admin+"/readyz")
	require.NoError(t, err)
	eventually(t, "a warning", func() bool { return len(p.certificates()[0].Warnings) == 1 })
	assert.Contains(t, p.certificates()[0].Warnings[0], "there is no newer one yet: ")
	s.authority.Return()
	p.awaitsOther("one.test", first)
	eventually(t, "no warning", func() bool { return len(p.certificates()[0].Warnings) == 0 })
}

// A domain that leads elsewhere has no certificate, which the log and the admin API give the reason
// for. It holds up no other, and the process is ready.
func TestShippedWrongDNS(t *testing.T) {
	s := newShipped(t, 0)
	s.authority.Point("wrong.test", "127.0.0.254")
	p := s.start(s.web, s.secure, inFile(t), nil, "wrong.test", "right.test")
	p.awaits("right.test")
	assert.Nil(t, p.gets("wrong.test"))
	eventually(t, "the reason", func() bool { return strings.Contains(p.certificates()[0].Warnings[0], "127.0.0.254") })
	all := p.certificates()
	assert.Equal(t, []string{"wrong.test"}, all[0].Names)
	assert.Contains(t, all[0].Warnings[0], "none is issued yet: ")
	assert.Empty(t, all[1].Warnings)
	assert.True(t, p.said("there is no certificate yet"))
}

// A program that puts records into the DNS gets a certificate for a wildcard.
func TestShippedHook(t *testing.T) {
	s := newShipped(t, 0)
	s.acme = fmt.Sprintf("dns_hook = [%q, \"an argument\"]\ndns_propagation = \"1ms\"\n", os.Args[0])
	hook := []string{hookURL + "=" + serveHook(t, s.authority)}
	p := s.start(s.web, s.secure, inFile(t), hook, "*.one.test", "one.test")
	p.awaits("any.one.test")
	p.awaits("one.test")
	assert.Nil(t, p.gets("a.b.one.test"))
	eventually(t, "no record", func() bool { return len(s.authority.DNS.GetDNSTXTRecords("_acme-challenge.one.test.")) == 0 })
}
