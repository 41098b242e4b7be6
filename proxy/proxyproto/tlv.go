package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf8"
)

// The types of TLVs whose values are checked (2.2.1 to 2.2.7).
const (
	typeAuthority = 0x02
	typeCRC32C    = 0x03
	typeUniqueID  = 0x05
	typeSSL       = 0x20
)

const (
	// crcSize is the size of a checksum.
	crcSize = 4
	// maxUniqueID bounds a unique id.
	maxUniqueID = 128
	// sslPrefix is what stands before the TLVs within a TLV of typeSSL: what the client did, and
	// whether its certificate was verified.
	sslPrefix = 5
)

// tlvPrefix is the size of a TLV's type and length.
const tlvPrefix = 3

// checkTLVs checks what stands from an offset to the end of a header: vectors of a type, a length
// and a value. They are only what the sender claims, and nothing but the checksum is used.
func checkTLVs(header []byte, offset int) error {
	summed := false
	for offset < len(header) {
		kind, value, err := tlvAt(header, offset)
		switch {
		case err != nil:
			return err
		case !possible(kind, value):
			return errTLVValue
		case kind == typeCRC32C:
			if summed || checksum(header, offset+tlvPrefix) != binary.BigEndian.Uint32(value) {
				return errChecksum
			}
			summed = true
		}
		offset += tlvPrefix + len(value)
	}
	return nil
}

// tlvAt is the TLV that begins at an offset.
func tlvAt(b []byte, offset int) (kind byte, value []byte, err error) {
	b = b[offset:]
	if len(b) < tlvPrefix {
		return 0, nil, errTLV
	}
	end := tlvPrefix + int(binary.BigEndian.Uint16(b[1:]))
	if end > len(b) {
		return 0, nil, errTLV
	}
	return b[0], b[tlvPrefix:end], nil
}

// possible reports whether a value can be one of its type.
func possible(kind byte, value []byte) bool {
	switch kind {
	case typeAuthority:
		return utf8.Valid(value)
	case typeCRC32C:
		return len(value) == crcSize
	case typeUniqueID:
		return len(value) <= maxUniqueID
	case typeSSL:
		return len(value) >= sslPrefix && filled(value[sslPrefix:])
	}
	return true
}

// filled reports whether b is made of whole TLVs.
func filled(b []byte) bool {
	for offset := 0; offset < len(b); {
		_, value, err := tlvAt(b, offset)
		if err != nil {
			return false
		}
		offset += tlvPrefix + len(value)
	}
	return true
}

// checksum is the CRC32C of a header, whose own checksum stands at an offset and counts as zeros.
func checksum(header []byte, at int) uint32 {
	var zeros [crcSize]byte
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, castagnoli, header[:at])
	sum = crc32.Update(sum, castagnoli, zeros[:])
	return crc32.Update(sum, castagnoli, header[at+crcSize:])
}
