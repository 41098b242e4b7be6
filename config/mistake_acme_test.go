package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const acme = "[tls.acme]\nagree_to_terms = true\n"

func TestACMEMistakes(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, pool+secure+acme+lines, want...)
	}
	f("email = \"a@b.test\"\nself_signed = true\ndns_hook = [\"a\"]\nfolder = \"b\"\nca_roots = \"c\"\n",
		"c.toml:5: listeners[0].tls: needs a certificate; want [[tls.certificates]] with cert and key, or tls.acme.domains",
		"c.toml:7: tls.acme.agree_to_terms: means nothing without tls.acme.domains",
		"c.toml:8: tls.acme.email: means nothing without tls.acme.domains",
		"c.toml:9: tls.acme.self_signed: means nothing without tls.acme.domains",
		"c.toml:10: tls.acme.dns_hook: means nothing without tls.acme.domains",
		"c.toml:11: tls.acme.folder: means nothing without tls.acme.domains",
		"c.toml:12: tls.acme.ca_roots: means nothing without tls.acme.domains")
	refused(t, pool+clear+acme+"domains = [\"a.test\"]\n",
		"c.toml:7: tls.acme.domains: mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	refused(t, pool+secure+"[tls.acme]\ndomains = [\"a.test\"]\n",
		"c.toml:6: tls.acme: needs agree_to_terms = true: authorities issue certificates to those who agree to their terms")
	f("domains = [\"a.test\"]\nemail = \"ops\"\nca = \"http://ca.test/\"\ndns_hook = [\"\"]\ndns_timeout = \"1ms\"\n",
		`c.toml:9: tls.acme.email: "ops"; want an address such as "ops@example.com", or none`,
		`c.toml:10: tls.acme.ca: "http://ca.test/"; want the https:// URL of an authority's directory, such as "https://acme-v02.api.letsencrypt.org/directory"`,
		`c.toml:11: tls.acme.dns_hook: its program has no name; want ["/path/of/a/program", "its arguments"]`,
		`c.toml:12: tls.acme.dns_timeout: 1ms is out of range; want 1s to 1h`)
}

func TestACMEDomains(t *testing.T) {
	f := func(domain, want string) {
		t.Helper()
		refused(t, pool+secure+acme+"domains = [\""+domain+"\"]\n", "c.toml:8: tls.acme.domains[0]: "+want)
	}
	const plain = `; want a domain in lower case, such as "example.com" or "*.example.com"`
	for _, domain := range []string{"", "localhost", "Example.com", "example.com.", ".example.com", "a..b", "a.*.b.test", "*", "a.test:443", "a_b", "*.test"} {
		f(domain, string(show(domain))+plain)
	}
	f("192.0.2.1", `"192.0.2.1" is an address, and authorities check names; want a domain such as "example.com"`)
	f("2001:db8::1", `"2001:db8::1" is an address, and authorities check names; want a domain such as "example.com"`)
	f("*.a.test", `"*.a.test" can only be checked by a record in the DNS; want tls.acme.dns_hook too, or the hosts one by one`)
	long := strings.Repeat("a.", 100) + "test"
	refused(t, pool+secure+acme+"domains = [\""+long+"\"]\n", "c.toml:8: tls.acme.domains[0]: "+string(show(long))+" has 204 bytes; want at most 200")
	refused(t, pool+secure+acme+"domains = [\"a.test\", \"a.test\"]\n", `c.toml:8: tls.acme.domains[1]: "a.test" is there already; want it once`)
	c := accepted(t, pool+secure+acme+"domains = [\"a.test\", \"*.a.test\", \"xn--bcher-kva.example\"]\ndns_hook = [\"hook\", \"argument\"]\n")
	require.Equal(t, []string{"a.test", "*.a.test", "xn--bcher-kva.example"}, c.TLS.ACME.Domains)
}

// Certificates outlive the process, and their keys aren't everybody's.
func TestWhereCertificatesAreKept(t *testing.T) {
	const domains = acme + "domains = [\"a.test\"]\n"
	memory, postgres := "[store]\ndriver = \"memory\"\n", "[store]\ndriver = \"postgres\"\n"
	refused(t, pool+secure+domains+memory, "c.toml:6: tls.acme: needs a folder with driver = \"memory\": at each start certificates would be issued anew, until the authority refuses; want a folder, or bolt or postgres")
	refused(t, pool+secure+domains+postgres, "c.toml:6: tls.acme: needs a key that private keys are sealed with before PostgreSQL has them; want one in EQUALIZER_STORE_KEY or store.key, such as what `openssl rand -base64 32` prints, or a folder")
	accepted(t, pool+secure+domains+"folder = \"/var/lib/acme\"\n"+memory)
	accepted(t, pool+secure+domains+"folder = \"/var/lib/acme\"\n"+postgres)
	key := strings.Repeat("a1", 32)
	c := accepted(t, pool+secure+domains+postgres+"key = \""+key+"\"\n")
	require.Equal(t, key, string(c.Store.Key))
	l, err := Parse("c.toml", []byte(pool+secure+domains+postgres), Options{Getenv: env(map[string]string{EnvStoreKey: key})})
	require.NoError(t, err)
	require.Equal(t, key, string(l.Config.Store.Key))
	require.NotContains(t, print(t, l), key)
	const wrong = "isn't 32 bytes in base64 or hexadecimal; want what `openssl rand -base64 32` prints"
	refused(t, pool+"[limits.a]\n[store]\nkey = \"short\"\n", "c.toml:5: store.key: "+wrong)
	refused(t, pool+"[limits.a]\n[store]\nkey = \""+key[1:]+"\"\n", "c.toml:5: store.key: "+wrong)
}
