package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// parse1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" (2.1).
func parse1(b []byte) (Header, int, error) {
	if len(b) < shortest1 {
		return Header{}, shortest1 - len(b), nil
	}
	end := bytes.IndexAny(b[:min(len(b), longest1)], "\r\n")
	if end < 0 || end == len(b)-1 && b[end] == '\r' {
		missing := missing1(b)
		if len(b)+missing > longest1 {
			return Header{}, 0, errLong1
		}
		return Header{}, missing, nil
	}
	if end+1 == longest1 {
		return Header{}, 0, errLong1
	}
	if b[end] != '\r' || b[end+1] != '\n' {
		return Header{}, 0, errLineEnd
	}
	source, destination, err := ends1(string(b[len(signature1):end]))
	if err != nil {
		return Header{}, 0, err
	}
	return Header{Size: end + 2, Source: source, Destination: destination}, 0, nil
}

// missing1 is how many bytes a line misses at least: its end, and a blank and one character more
// for each field that hasn't begun.
func missing1(line []byte) int {
	if line[len(line)-1] == '\r' {
		return 1
	}
	const end, fields = 2, 5
	if begins(line[len(signature1):], unknown) {
		return end
	}
	missing := end + 2*max(0, fields-bytes.Count(line, []byte(" ")))
	if line[len(line)-1] == ' ' {
		missing++
	}
	return missing
}

const unknown = "UNKNOWN"

// ends1 reads what is behind "PROXY ". What follows UNKNOWN is to be ignored.
func ends1(line string) (source, destination netip.AddrPort, err error) {
	fields := strings.Split(line, " ")
	is := netip.Addr.Is4
	switch fields[0] {
	case unknown:
		return source, destination, nil
	case "TCP4":
	case "TCP6":
		is = netip.Addr.Is6
	default:
		return source, destination, errProtocol1
	}
	if len(fields) != 5 {
		return source, destination, errFields
	}
	if source, err = end1(fields[1], fields[3], is); err != nil {
		return source, destination, err
	}
	destination, err = end1(fields[2], fields[4], is)
	return source, destination, err
}

// end1 reads an address and a port.
func end1(address, port string, is func(netip.Addr) bool) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil || !is(addr) || addr.Zone() != "" {
		return netip.AddrPort{}, errAddress
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, errPort
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}
