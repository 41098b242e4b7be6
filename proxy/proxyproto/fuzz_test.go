package proxyproto

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A header ends where Parse says, whatever comes before and behind: no part of it is refused, or
// wants more than the header has, and what follows changes nothing.
func FuzzParse(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET"))
	f.Add([]byte("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"))
	f.Add([]byte("PROXY UNKNOWN a b c\r\n\r\n"))
	f.Add(v2(proxy, tcp4, ends4, tlv(typeSSL, append([]byte{1, 0, 0, 0, 0}, tlv(0x21, 1)...)...)))
	f.Add(summed(v2(proxy, tcp6, ends6, tlv(typeAuthority, 'a'), tlv(typeCRC32C, 0, 0, 0, 0))))
	f.Add(v2(proxy, stream, endsUnix))
	f.Add(v2(local, unspecified, tlv(typeUniqueID, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h, missing, err := Parse(b)
		require.Equal(t, before, b)
		switch {
		case err != nil:
			require.Zero(t, h)
			require.Zero(t, missing)
			return
		case missing > 0:
			require.Zero(t, h)
			require.LessOrEqual(t, len(b)+missing, longest2)
			return
		}
		require.LessOrEqual(t, h.Size, len(b))
		again, taken, err := reads(b)
		require.NoError(t, err)
		require.Equal(t, h.Size, taken)
		require.Equal(t, h, again)
		for n := range h.Size {
			_, missing, err := Parse(b[:n])
			require.NoError(t, err)
			require.Positive(t, missing)
			require.LessOrEqual(t, n+missing, h.Size)
		}
	})
}
