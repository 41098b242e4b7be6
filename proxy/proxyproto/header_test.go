package proxyproto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reads is what a reader gets that takes no more of b than Parse asks for.
func reads(b []byte) (h Header, taken int, err error) {
	for {
		h, missing, err := Parse(b[:taken])
		if err != nil || missing == 0 {
			return h, taken, err
		}
		if taken == len(b) {
			return Header{}, taken, fmt.Errorf("%d bytes are missing", missing)
		}
		taken = min(taken+missing, len(b))
	}
}

// v2 is a header of version 2.
func v2(command, family byte, parts ...[]byte) []byte {
	b := append([]byte(signature2), 0x20|command, family)
	rest := bytes.Join(parts, nil)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...)
}

func tlv(kind byte, value ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value))), value...)
}

// summed puts its checksum into a header that ends with a TLV for it.
func summed(b []byte) []byte {
	at := len(b) - crcSize
	binary.BigEndian.PutUint32(b[at:], checksum(b, at))
	return b
}

var (
	ends4 = []byte{192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb}
	ends6 = append(append(
		netip.MustParseAddr("2001:db8::1").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice()...), 0xdc, 0x04, 0x01, 0xbb)
	endsUnix = append([]byte("/run/a.sock"), make([]byte, 205)...)
)

const (
	from4, to4 = "192.0.2.1:56324", "198.51.100.7:443"
	from6, to6 = "[2001:db8::1]:56324", "[2001:db8::2]:443"
)

// In each case the header is found whatever follows it, and its reader takes none of that.
func TestHeaders(t *testing.T) {
	longest := "PROXY UNKNOWN " + strings.Repeat("x", longest1-len("PROXY UNKNOWN \r\n")) + "\r\n"
	for name, c := range map[string]struct {
		header   []byte
		from, to string
	}{
		"v1, IPv4":              {[]byte("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"), from4, to4},
		"v1, the shortest IPv4": {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n"), "1.1.1.1:0", "1.1.1.1:0"},
		"v1, the longest IPv4": {
			[]byte("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535", "255.255.255.255:65535",
		},
		"v1, IPv6":              {[]byte("PROXY TCP6 2001:db8::1 2001:DB8:0::2 56324 443\r\n"), from6, to6},
		"v1, the shortest IPv6": {[]byte("PROXY TCP6 :: :: 0 0\r\n"), "[::]:0", "[::]:0"},
		"v1, mapped": {
			[]byte("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 56324 443\r\n"), "[::ffff:192.0.2.1]:56324", "[::ffff:198.51.100.7]:443",
		},
		"v1, unknown":           {[]byte("PROXY UNKNOWN\r\n"), "", ""},
		"v1, unknown with more": {[]byte("PROXY UNKNOWN ffff:: and so on\r\n"), "", ""},
		"v1, the longest":       {[]byte(longest), "", ""},
		"v2, IPv4":              {v2(proxy, tcp4, ends4), from4, to4},
		"v2, IPv4 datagrams":    {v2(proxy, udp4, ends4), from4, to4},
		"v2, IPv6":              {v2(proxy, tcp6, ends6), from6, to6},
		"v2, IPv6 datagrams":    {v2(proxy, udp6, ends6), from6, to6},
		"v2, unix":              {v2(proxy, stream, endsUnix), "", ""},
		"v2, unix datagrams":    {v2(proxy, packet, endsUnix, tlv(0xe0, 1)), "", ""},
		"v2, unspecified":       {v2(proxy, unspecified), "", ""},
		"v2, unspecified, TLVs": {v2(proxy, unspecified, tlv(typeUniqueID, 1, 2)), "", ""},
		"v2, local":             {v2(local, unspecified), "", ""},
		"v2, local, addresses":  {v2(local, tcp4, ends4), "", ""},
		"v2, local, anything":   {v2(local, 0x77, []byte("anything")), "", ""},
		"v2, local, no address": {v2(local, tcp6), "", ""},
		"v2, TLVs": {
			v2(proxy, tcp4, ends4, tlv(typeAuthority, []byte("example.com")...), tlv(0x04), tlv(0xe0, 1, 2, 3),
				tlv(typeUniqueID, make([]byte, maxUniqueID)...)), from4, to4,
		},
		"v2, SSL":                             {v2(proxy, tcp4, ends4, tlv(typeSSL, append([]byte{1, 0, 0, 0, 0}, tlv(0x21, []byte("TLSv1.3")...)...)...)), from4, to4},
		"v2, checksum":                        {summed(v2(proxy, tcp6, ends6, tlv(typeCRC32C, 0, 0, 0, 0))), from6, to6},
		"v2, checksum of what has no address": {summed(v2(proxy, unspecified, tlv(0x04, 9), tlv(typeCRC32C, 0, 0, 0, 0))), "", ""},
		"v2, the longest":                     {v2(proxy, tcp4, ends4, tlv(0xe0, make([]byte, longest2-prefix2-12-3)...)), from4, to4},
	} {
		t.Run(name, func(t *testing.T) {
			for _, behind := range []string{"", "G", "GET / HTTP/1.1\r\n\r\n", string(c.header)} {
				all := append(bytes.Clone(c.header), behind...)
				h, taken, err := reads(all)
				require.NoError(t, err)
				assert.Equal(t, len(c.header), taken)
				at, missing, err := Parse(all)
				require.NoError(t, err)
				assert.Zero(t, missing)
				assert.Equal(t, h, at)
				assert.Equal(t, len(c.header), h.Size)
				assert.Equal(t, [2]string{c.from, c.to}, [2]string{text(h.Source), text(h.Destination)})
			}
		})
	}
}

func text(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func TestRefusals(t *testing.T) {
	wrong := summed(v2(proxy, tcp4, ends4, tlv(typeCRC32C, 0, 0, 0, 0)))
	wrong[prefix2]++
	twice := v2(proxy, tcp4, ends4, tlv(typeCRC32C, 0, 0, 0, 0), tlv(typeCRC32C, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(twice[prefix2+12+tlvPrefix:], checksum(twice, prefix2+12+tlvPrefix))
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"a request":             {[]byte("GET / HTTP/1.1\r\n\r\n"), errSignature},
		"a client's hello":      {[]byte{0x16, 3, 1}, errSignature},
		"empty lines":           {[]byte("\r\n\r\nGET"), errSignature},
		"lower case":            {[]byte("proxy TCP4"), errSignature},
		"no blank":              {[]byte("PROXYTCP4"), errSignature},
		"an unknown protocol":   {[]byte("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n"), errProtocol1},
		"no protocol":           {[]byte("PROXY  1.1.1.1 1.1.1.1 1 1\r\n"), errProtocol1},
		"nothing":               {[]byte("PROXY \r\nabcdefgh"), errProtocol1},
		"UNKNOWN and more":      {[]byte("PROXY UNKNOWNS\r\n"), errProtocol1},
		"a field too few":       {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n"), errFields},
		"a field too many":      {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n"), errFields},
		"two blanks":            {[]byte("PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n"), errFields},
		"a blank at the end":    {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n"), errFields},
		"a name":                {[]byte("PROXY TCP4 localhost 1.1.1.1 1 1\r\n"), errAddress},
		"another family":        {[]byte("PROXY TCP4 2001:db8::1 2001:db8::2 1 1\r\n"), errAddress},
		"IPv4 in TCP6":          {[]byte("PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n"), errAddress},
		"octal":                 {[]byte("PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n"), errAddress},
		"a zone":                {[]byte("PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n"), errAddress},
		"a wrong destination":   {[]byte("PROXY TCP4 1.1.1.1 1.1.1 1 1\r\n"), errAddress},
		"a port too high":       {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n"), errPort},
		"a signed port":         {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 +1\r\n"), errPort},
		"a port with a zero":    {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n"), errPort},
		"no port":               {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 \r\n"), errPort},
		"LF alone":              {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\nG"), errLineEnd},
		"CR alone":              {[]byte("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\rG"), errLineEnd},
		"CR within UNKNOWN":     {[]byte("PROXY UNKNOWN \r \r\n"), errLineEnd},
		"too long":              {[]byte("PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n"), errLong1},
		"no end":                {[]byte("PROXY UNKNOWN " + strings.Repeat("x", 500)), errLong1},
		"another version":       {append([]byte(signature2), 0x31, tcp4, 0, 0), errVersion},
		"another command":       {v2(2, tcp4, ends4), errCommand},
		"an unknown family":     {v2(proxy, 0x41, ends4), errFamily},
		"an unknown transport":  {v2(proxy, 0x13, ends4), errFamily},
		"a family by itself":    {v2(proxy, 0x10, ends4), errFamily},
		"a transport by itself": {v2(proxy, 0x01, ends4), errFamily},
		"too short for IPv4":    {v2(proxy, tcp4, ends4[:11]), errShort2},
		"too short for IPv6":    {v2(proxy, tcp6, ends6[:35]), errShort2},
		"too short for unix":    {v2(proxy, stream, endsUnix[:215]), errShort2},
		"longer than bounded":   {v2(proxy, tcp4, ends4, tlv(0xe0, make([]byte, longest2-prefix2-12-2)...)), errLong2},
		"the longest local":     {v2(local, unspecified, make([]byte, 65535)), errLong2},
		"a TLV without length":  {v2(proxy, tcp4, ends4, []byte{4, 0}), errTLV},
		"a TLV cut short":       {v2(proxy, tcp4, ends4, []byte{4, 0, 2, 0}), errTLV},
		"a long checksum":       {v2(proxy, tcp4, ends4, tlv(typeCRC32C, 0, 0, 0, 0, 0)), errTLVValue},
		"a wrong checksum":      {wrong, errChecksum},
		"two checksums":         {twice, errChecksum},
		"a long unique id":      {v2(proxy, tcp4, ends4, tlv(typeUniqueID, make([]byte, maxUniqueID+1)...)), errTLVValue},
		"an authority of bytes": {v2(proxy, tcp4, ends4, tlv(typeAuthority, 0xff)), errTLVValue},
		"a short SSL":           {v2(proxy, tcp4, ends4, tlv(typeSSL, 1, 0, 0, 0)), errTLVValue},
		"SSL with a cut TLV":    {v2(proxy, tcp4, ends4, tlv(typeSSL, 1, 0, 0, 0, 0, 0x21, 0, 9)), errTLVValue},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := reads(c.b)
			require.ErrorIs(t, err, c.want)
			_, _, err = Parse(c.b)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// The checksum is the one of HAProxy 2.6, whose header this is (send-proxy-v2, crc32c).
func TestChecksumOfHAProxy(t *testing.T) {
	b, err := hex.DecodeString(haproxys)
	require.NoError(t, err)
	h, taken, err := reads(b)
	require.NoError(t, err)
	assert.Equal(t, len(b), taken)
	assert.True(t, h.Source.IsValid())
	b[len(b)-1]++
	_, _, err = reads(b)
	require.ErrorIs(t, err, errChecksum)
}

const haproxys = "0d0a0d0a000d0a515549540a211100427f0000017f0000018482480903000400387721" +
	"05002432613139353732612d386235342d343030652d386334362d6139656436386531383737652000050000000000"
