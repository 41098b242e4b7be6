package config

import "time"

// ACME says which certificates an authority issues for the listeners with TLS. It is off without
// Domains.
type ACME struct {
	// Domains are those that certificates are issued for, each of its own: "example.com", or
	// "*.example.com" for the names with one label more.
	Domains []string `toml:"domains"`
	// AgreeToTerms states that the operator agrees to the authority's terms. It must.
	AgreeToTerms bool `toml:"agree_to_terms"`
	// Email is where the authority may write to; "" is nowhere.
	Email string `toml:"email"`
	// CA is the URL of the authority's directory, and CARoots a PEM file with what verifies that
	// URL's own certificate; "" is the system's authorities.
	CA      string `toml:"ca" default:"https://acme-v02.api.letsencrypt.org/directory"`
	CARoots string `toml:"ca_roots" file:"certificate"`
	// SelfSigned gives clients a certificate that they can't verify until there is another.
	SelfSigned bool `toml:"self_signed"`
	// DNSHook is a program, with arguments, that puts records into the DNS. With it, domains are
	// checked by these records alone.
	DNSHook []string `toml:"dns_hook"`
	// DNSTimeout bounds each run of the hook. DNSPropagation is how long the authority is kept
	// waiting after one that has put a record there.
	DNSTimeout     time.Duration `toml:"dns_timeout" default:"2m" min:"1s" max:"1h"`
	DNSPropagation time.Duration `toml:"dns_propagation" default:"10s" max:"1h" or:"0s for none"`
	// Folder is where certificates, their keys and the account are kept; "" is in the store.
	Folder string `toml:"folder"`
}
