package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// Header is what a proxy in front says of a connection.
type Header struct {
	// Size is how many bytes the header has.
	Size int
	// Source and Destination are the ends of the connection that the proxy passes on. They are zero
	// if the header names none: the connection is the proxy's own, or not one of IP addresses. Then
	// it has the ends that it really has.
	Source, Destination netip.AddrPort
}

const (
	// shortest1 and longest1 bound a header of version 1: "PROXY UNKNOWN\r\n", and one with two
	// long IPv6 addresses (2.1).
	shortest1, longest1 = 15, 107
	// prefix2 is what each header of version 2 begins with: signature, command, family and length.
	prefix2 = 16
	// longest2 bounds a header of version 2. The protocol would allow 64 KiB. The longest that is
	// of use holds a client's certificate.
	longest2 = prefix2 + 4096
)

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
)

// The reasons for which what is read is no header.
var (
	errSignature = errors.New("it doesn't begin with a PROXY header")
	errLong1     = errors.New("the PROXY line has more than 107 bytes")
	errLineEnd   = errors.New("the PROXY line has a CR or an LF that doesn't end it")
	errFields    = errors.New("the PROXY line hasn't two addresses and two ports behind its protocol")
	errProtocol1 = errors.New("the PROXY line's protocol is none of TCP4, TCP6 and UNKNOWN")
	errAddress   = errors.New("the PROXY line has an address that isn't one of its protocol")
	errPort      = errors.New("the PROXY line has a port that isn't a number from 0 to 65535")
	errVersion   = errors.New("the PROXY header is of a version that is neither 1 nor 2")
	errCommand   = errors.New("the PROXY header's command is neither LOCAL nor PROXY")
	errFamily    = errors.New("the PROXY header has an unknown address family or protocol")
	errLong2     = errors.New("the PROXY header has more than 4096 bytes behind its length")
	errShort2    = errors.New("the PROXY header is too short for its addresses")
	errTLV       = errors.New("the PROXY header's TLVs don't fill its length")
	errTLVValue  = errors.New("the PROXY header has a TLV whose value can't be one of its type")
	errChecksum  = errors.New("the PROXY header's CRC32C is wrong")
)

// Parse reads the header at the beginning of b. If all of b belongs to a header that isn't complete
// yet, Parse returns how many bytes are missing at least. An error says why there is no header.
func Parse(b []byte) (h Header, missing int, err error) {
	switch {
	case begins(b, signature1):
		return parse1(b)
	case begins(b, signature2):
		return parse2(b)
	}
	return Header{}, 0, errSignature
}

// begins reports whether b begins with a signature, or is a part of one.
func begins(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return bytes.Equal(b[:n], []byte(signature[:n]))
}
