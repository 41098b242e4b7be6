package netconn

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// slim gives up the memory of a tls.Conn's buffers for what comes in. TLS keeps them at the size of
// the largest message ever: 4 KiB after a handshake, more than 16 KiB after an upload. crypto/tls
// has no call for it (go.dev/issue/43563), so they are found by the names of two private fields.
//
// If another version of Go has no such field, or one of another type, it is left alone. Then
// connections work as they do, with the memory of before, and TestTLSBuffersAreFound fails with
// that version. If the fields are there, it is safe whatever crypto/tls does with them, as long as
// they are buffers that it may find empty: only an empty one is replaced, by an empty one, and who
// still has a piece of the former memory keeps that. The caller is the connection's reader, so
// nobody uses them meanwhile.
func (s *secure) slim() {
	for _, offset := range tlsBuffers {
		buffer := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.Conn), offset))
		if buffer.Len() == 0 {
			*buffer = bytes.Buffer{}
		}
	}
}

// tlsBuffers are where those buffers are in a tls.Conn: of records, and of a handshake's messages.
var tlsBuffers = offsetsOf[bytes.Buffer](reflect.TypeFor[tls.Conn](), "rawInput", "hand")

// offsetsOf returns the offsets of those of the fields that a struct has, and that are of type T.
func offsetsOf[T any](in reflect.Type, names ...string) (offsets []uintptr) {
	for _, name := range names {
		if field, ok := in.FieldByName(name); ok && field.Type == reflect.TypeFor[T]() && len(field.Index) == 1 {
			offsets = append(offsets, field.Offset)
		}
	}
	return offsets
}
