package identity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFingerprint(t *testing.T) {
	f := func(spec string, secret bool, want string) {
		t.Helper()
		key, err := ParseKey(spec, secret)
		require.NoError(t, err)
		require.Equal(t, want, key.Fingerprint())
	}
	f("ip", false, "ip")
	f("ip", true, "ip")
	f("ip/64", false, "ip")
	f("ip/64,32", false, "ip")
	f("ip/48", false, "ip/48")
	f("ip/64,24", false, "ip/64,24")
	f("header:X-Api-Key", false, "header:x-api-key")
	f("tls:spki", true, "tls:spki")
	f("tls:san", false, "tls:san")
	f("header:x-api-key", true, "header:x-api-key sha256")
}

func TestPlainFingerprint(t *testing.T) {
	plain, err := ParseKey("header:X-Api-Key", false)
	require.NoError(t, err)
	secret, err := ParseKey("header:x-api-key", true)
	require.NoError(t, err)
	was, is := secret.PlainFingerprint()
	require.True(t, is)
	require.Equal(t, plain.Fingerprint(), was)
	_, is = plain.PlainFingerprint()
	require.False(t, is)
}
