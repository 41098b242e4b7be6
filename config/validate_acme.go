package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// acme checks how certificates are issued.
func (r *report) acme(c Config) {
	const key = "tls.acme"
	a := c.TLS.ACME
	r.authority(key, a)
	if len(a.Domains) == 0 {
		for _, name := range []string{"agree_to_terms", "email", "ca_roots", "self_signed", "dns_hook", "folder"} {
			if r.given(key + "." + name) {
				r.add(key+"."+name, "means nothing without %s.domains", key)
			}
		}
		return
	}
	if !c.HasTLS() {
		r.add(key+".domains", "mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	}
	for i, domain := range a.Domains {
		at := Element(key+".domains", i)
		r.domain(at, domain, len(a.DNSHook) > 0)
		if slices.Contains(a.Domains[:i], domain) {
			r.add(at, "%s is there already; want it once", show(domain))
		}
	}
	if !a.AgreeToTerms {
		r.add(key, "needs agree_to_terms = true: authorities issue certificates to those who agree to their terms")
	}
	r.kept(key, c)
}

// authority checks who issues certificates.
func (r *report) authority(key string, a ACME) {
	if _, err := mail.ParseAddress(a.Email); a.Email != "" && (err != nil || strings.ContainsAny(a.Email, "<> ")) {
		r.add(key+".email", "%s; want an address such as \"ops@example.com\", or none", show(a.Email))
	}
	if u, err := url.Parse(a.CA); err != nil || u.Scheme != "https" || u.Host == "" {
		r.add(key+".ca", "%s; want the https:// URL of an authority's directory, such as %s", show(a.CA), show(Default().TLS.ACME.CA))
	}
	if len(a.DNSHook) > 0 && a.DNSHook[0] == "" {
		r.add(key+".dns_hook", "its program has no name; want [\"/path/of/a/program\", \"its arguments\"]")
	}
}

// kept checks that certificates outlive the process, and that nobody else reads their keys.
func (r *report) kept(key string, c Config) {
	if c.TLS.ACME.Folder != "" {
		return
	}
	if c.Store.Driver == StoreMemory {
		r.add(key, "needs a folder with driver = \"memory\": at each start certificates would be issued anew, until the authority refuses; want a folder, or bolt or postgres")
	}
	r.sealed(key, "private keys", "a folder", c.Store)
}

// longestDomain bounds a domain: the key that its certificate is stored under has it twice.
const longestDomain = 200

// domain checks a domain that a certificate is to be issued for.
func (r *report) domain(key, domain string, hasHook bool) {
	name, wild := strings.CutPrefix(domain, "*.")
	_, err := netip.ParseAddr(domain)
	switch {
	case err == nil:
		r.add(key, "%s is an address, and authorities check names; want a domain such as \"example.com\"", show(domain))
	case len(domain) > longestDomain:
		r.add(key, "%s has %d bytes; want at most %d", show(domain), len(domain), longestDomain)
	case !isHostName(name) || !strings.Contains(name, ".") || strings.ToLower(name) != name || strings.HasSuffix(name, "."):
		r.add(key, "%s; want a domain in lower case, such as \"example.com\" or \"*.example.com\"", show(domain))
	case wild && !hasHook:
		r.add(key, "%s can only be checked by a record in the DNS; want tls.acme.dns_hook too, or the hosts one by one", show(domain))
	}
}
