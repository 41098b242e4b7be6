package proxyproto

import (
	"encoding/binary"
	"net/netip"
)

// The command, in the lower half of the 13th byte. The upper half is the version.
const (
	local = 0
	proxy = 1
)

// parse2 reads a header of version 2 (2.2).
func parse2(b []byte) (Header, int, error) {
	if len(b) < prefix2 {
		return Header{}, prefix2 - len(b), nil
	}
	size := prefix2 + int(binary.BigEndian.Uint16(b[14:]))
	if err := check2(b[12], b[13], size); err != nil {
		return Header{}, 0, err
	}
	if len(b) < size {
		return Header{}, size - len(b), nil
	}
	h := Header{Size: size}
	if b[12]&0x0f == local {
		return h, 0, nil // The rest is to be discarded, its family too.
	}
	rest := prefix2 + addressesSize(b[13])
	h.Source, h.Destination = ends2(b[13], b[prefix2:rest])
	if err := checkTLVs(b[:size], rest); err != nil {
		return Header{}, 0, err
	}
	return h, 0, nil
}

// check2 checks what the first 16 bytes say: the version with the command, the family, and the size
// of the header.
func check2(versionAndCommand, family byte, size int) error {
	command := versionAndCommand & 0x0f
	switch {
	case versionAndCommand>>4 != 2:
		return errVersion
	case command > proxy:
		return errCommand
	case size > longest2:
		return errLong2
	case command == local:
		return nil
	case addressesSize(family) < 0:
		return errFamily
	case size < prefix2+addressesSize(family):
		return errShort2
	}
	return nil
}

// The families of addresses, and streams and datagrams over them.
const (
	unspecified    = 0x00
	tcp4, udp4     = 0x11, 0x12
	tcp6, udp6     = 0x21, 0x22
	stream, packet = 0x31, 0x32
)

// addressesSize is how many bytes the addresses of a family take; below 0 if it is unknown.
func addressesSize(family byte) int {
	switch family {
	case unspecified:
		return 0
	case tcp4, udp4:
		return 2*4 + 2*2
	case tcp6, udp6:
		return 2*16 + 2*2
	case stream, packet:
		return 2 * 108
	}
	return -1
}

// ends2 reads the addresses of a family; none but those of IP.
func ends2(family byte, b []byte) (source, destination netip.AddrPort) {
	switch family {
	case tcp4, udp4:
		source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[8:]))
		destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[10:]))
	case tcp6, udp6:
		source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), binary.BigEndian.Uint16(b[32:]))
		destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])), binary.BigEndian.Uint16(b[34:]))
	}
	return source, destination
}
