package identity

// Trusted are the networks of the proxies whose X-Forwarded-For is believed. It is immutable; the
// zero value trusts nobody.
type Trusted struct{ Networks }

// ParseTrusted reads the networks of trusted proxies, as ParseNetworks does.
func ParseTrusted(texts []string) (Trusted, error) {
	networks, err := ParseNetworks("trusted proxy", texts)
	return Trusted{networks}, err
}
