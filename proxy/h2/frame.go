package h2

import "encoding/binary"

// kind is the type of a frame.
type kind uint8

// The kinds (RFC 9113, section 6; RFC 9218, section 7.1).
const (
	kindData           kind = 0x0
	kindHeaders        kind = 0x1
	kindPriority       kind = 0x2
	kindReset          kind = 0x3
	kindSettings       kind = 0x4
	kindPushPromise    kind = 0x5
	kindPing           kind = 0x6
	kindGoAway         kind = 0x7
	kindWindowUpdate   kind = 0x8
	kindContinuation   kind = 0x9
	kindPriorityUpdate kind = 0x10
)

// The flags.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// The settings (RFC 9113, section 6.5.2; RFC 9218, section 2.1).
const (
	settingTableSize     = 0x1
	settingEnablePush    = 0x2
	settingMaxStreams    = 0x3
	settingInitialWindow = 0x4
	settingMaxFrame      = 0x5
	settingMaxHeaderList = 0x6
	settingNoPriorities  = 0x9
)

const (
	// ALPN is the name of HTTP/2 over TLS (RFC 9113, section 3.2).
	ALPN = "h2"
	// Preface is what a client's connection begins with (RFC 9113, section 3.4).
	Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// headerSize is the length of a frame's header.
	headerSize = 9
	// maxFrame is the largest payload that we take, and send.
	maxFrame = 16 << 10
	// firstWindow is the size of every window at its beginning, and maxWindow the largest.
	firstWindow = 65535
	maxWindow   = 1<<31 - 1
)

// header is a frame's.
type header struct {
	length int
	kind   kind
	flags  uint8
	stream uint32
}

func (h *header) has(flag uint8) bool { return h.flags&flag != 0 }

func parseHeader(b []byte) header {
	return header{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   kind(b[3]),
		flags:  b[4],
		stream: id(b[5:]),
	}
}

// id reads a stream's identifier. The reserved bit is ignored.
func id(b []byte) uint32 { return binary.BigEndian.Uint32(b) &^ (1 << 31) }

func appendHeader(dst []byte, length int, k kind, flags uint8, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(k), flags)
	return binary.BigEndian.AppendUint32(dst, stream)
}

func appendReset(dst []byte, stream uint32, code Code) []byte {
	dst = appendHeader(dst, 4, kindReset, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, stream uint32, n int) []byte {
	dst = appendHeader(dst, 4, kindWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func appendPing(dst []byte, flags uint8, data [8]byte) []byte {
	return append(appendHeader(dst, len(data), kindPing, flags, 0), data[:]...)
}

func appendGoAway(dst []byte, last uint32, code Code, detail string) []byte {
	dst = appendHeader(dst, 8+len(detail), kindGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, detail...)
}

// setting is one of a SETTINGS frame's.
type setting struct {
	id    uint16
	value uint32
}

func appendSettings(dst []byte, settings ...setting) []byte {
	const size = 6
	dst = appendHeader(dst, size*len(settings), kindSettings, 0, 0)
	for _, s := range settings {
		dst = binary.BigEndian.AppendUint16(dst, s.id)
		dst = binary.BigEndian.AppendUint32(dst, s.value)
	}
	return dst
}
