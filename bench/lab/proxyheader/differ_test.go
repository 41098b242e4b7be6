package proxyheader

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	ours "gopher-equalizer/proxy/proxyproto"
)

// theirs is what the library reads at the beginning of b.
func theirs(b []byte) (h ours.Header, err error) {
	r := bufio.NewReader(bytes.NewReader(b))
	read, err := proxyproto.Read(r)
	if err != nil {
		return ours.Header{}, err
	}
	rest, _ := r.Discard(len(b)) // What is left.
	h.Size = len(b) - rest
	if read.Command == proxyproto.LOCAL {
		return h, nil
	}
	if from, to, ok := read.TCPAddrs(); ok {
		h.Source, h.Destination = from.AddrPort(), to.AddrPort()
	}
	if from, to, ok := read.UDPAddrs(); ok {
		h.Source, h.Destination = from.AddrPort(), to.AddrPort()
	}
	return h, nil
}

// The differences that are meant. We refuse what the library leaves to its callers, or to nobody:
// TLVs and their checksum, and a CR within a line that ends later. We accept what receivers must
// accept, a LOCAL header of any family, and what they may accept, a connection without addresses.
var oursOnly = []string{"TLV", "CRC32C", "a CR or an LF that doesn't end it"}

func isTheirRefusal(b []byte) bool {
	const prefix, local, unspecified = 16, 0x20, 0
	return len(b) >= prefix && (b[12] == local || b[13] == unspecified)
}

func compare(t testing.TB, b []byte) {
	t.Helper()
	our, missing, ourErr := ours.Parse(b)
	their, theirErr := theirs(b)
	switch accepted := ourErr == nil && missing == 0; {
	case accepted && theirErr == nil:
		require.Equal(t, unmapped(their), unmapped(our), "%q", b)
	case accepted:
		require.True(t, isTheirRefusal(b), "%q: only the library refuses it: %v", b, theirErr)
	case theirErr == nil:
		require.Error(t, ourErr, "%q: the library needs no more", b)
		meant := false
		for _, why := range oursOnly {
			meant = meant || strings.Contains(ourErr.Error(), why)
		}
		require.True(t, meant, "%q: only we refuse it: %v", b, ourErr)
	}
}

// unmapped is a header as the library could have read it, which doesn't tell IPv4 from IPv4 mapped
// into IPv6.
func unmapped(h ours.Header) ours.Header {
	h.Source = netip.AddrPortFrom(h.Source.Addr().Unmap(), h.Source.Port())
	h.Destination = netip.AddrPortFrom(h.Destination.Addr().Unmap(), h.Destination.Port())
	return h
}

// v2 is a header of version 2.
func v2(command, family byte, rest ...byte) []byte {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...)
}

var addresses = bytes.Repeat([]byte{1, 2, 3, 4}, 54)

// families are headers of every command and family, with as many bytes as addresses take or one
// less.
func families() (all [][]byte) {
	for family := range 256 {
		for _, command := range []byte{0x20, 0x21} {
			for _, size := range []int{0, 11, 12, 35, 36, 215, 216} {
				all = append(all, v2(command, byte(family), addresses[:size]...))
			}
		}
	}
	return all
}

func seeds() [][]byte {
	all := [][]byte{nil, []byte("GET / HTTP/1.1\r\n\r\n"), {0x16, 3, 1}}
	for _, line := range []string{
		"TCP4 192.0.2.1 198.51.100.7 56324 443", "TCP6 2001:db8::1 2001:db8::2 1 2", "TCP6 ::ffff:1.2.3.4 ::1 1 2",
		"TCP4 255.255.255.255 255.255.255.255 65535 65535", "UNKNOWN", "UNKNOWN a b\rc", "TCP4 1.1.1.1 1.1.1.1 01 1",
		"TCP4 1.1.1.1 1.1.1.1 1 1 1", "TCP4 ::1 ::1 1 1", "TCP6 1.1.1.1 1.1.1.1 1 1", "TCP6 fe80::1%a ::1 1 1", "",
		"UNKNOWN " + strings.Repeat("x", 91), "UNKNOWN " + strings.Repeat("x", 92), "TCP4 01.1.1.1 1.1.1.1 1 1",
	} {
		all = append(all, []byte("PROXY "+line+"\r\n"), []byte("PROXY "+line+"\r\nGET"), []byte("PROXY "+line+"\n"))
	}
	tlvs := append(addresses[:12:12], 2, 0, 1, 'a', 0x20, 0, 5, 1, 0, 0, 0, 0)
	return append(all, v2(0x22, 0x11, tlvs...), v2(0x11, 0x11, tlvs...), v2(0x21, 0x11, tlvs...),
		v2(0x21, 0x11, append(tlvs, 4)...), v2(0x21, 0x11, append(tlvs, 3, 0, 4, 0, 0, 0, 0)...))
}

// We read what the library reads, and refuse what it refuses, except where a difference is meant.
func TestDiffer(t *testing.T) {
	both := 0
	for _, b := range families() {
		compare(t, b)
	}
	for _, b := range seeds() {
		for n := range len(b) + 1 {
			compare(t, b[:n])
		}
		if _, missing, err := ours.Parse(b); err == nil && missing == 0 {
			if _, err := theirs(b); err == nil {
				both++
			}
		}
	}
	require.Greater(t, both, 8, "both readers accept something")
}

func FuzzDiffer(f *testing.F) {
	for _, b := range seeds() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b) })
}
