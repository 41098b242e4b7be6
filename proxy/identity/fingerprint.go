package identity

// Fingerprint tells apart keys under which the same client_id may be another client. It is what a
// store knows a limit's buckets by.
func (k Key) Fingerprint() string {
	if k.secret {
		return k.plain() + " sha256"
	}
	return k.plain()
}

// PlainFingerprint is what the Fingerprint would be if the key weren't secret. It reports false if
// it isn't.
func (k Key) PlainFingerprint() (fingerprint string, secret bool) { return k.plain(), k.secret }

// plain has a header's name in lower case, as clients may write it in any.
func (k Key) plain() string {
	if k.header == "" {
		return k.String()
	}
	return "header:" + k.lower
}
