package h1

import (
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// Buffer is the memory that a piece of a body passes through. The data lie in its Room.
type Buffer = [netconn.BufferSize]byte

// buffers lends the memory for the bodies of all connections.
var buffers netconn.Buffers

// GetBuffer lends a buffer, with anything in it. The caller must PutBuffer it back.
func GetBuffer() *Buffer { return buffers.Get() }

// PutBuffer takes a buffer back, which the caller must not use any more.
func PutBuffer(b *Buffer) { buffers.Put(b) }

// Room is the part of a buffer that data are read into. Around it is room for what frames them.
func Room(b *Buffer) []byte {
	return b[http1.ChunkHead : len(b)-http1.ChunkTail-len(http1.LastChunk)]
}

// Piece is a part of a body.
type Piece struct {
	// Buffer has N bytes of data in its Room.
	Buffer *Buffer
	N      int
	// Last reports that the body ends behind them, with Trailers.
	Last     bool
	Trailers []http1.Field
}

// Data are the piece as it is.
func (p *Piece) Data() []byte { return Room(p.Buffer)[:p.N] }

// chunk is the piece as a chunk, with the end of the body and those trailers that pass says yes to.
func (p *Piece) chunk(passes func(http1.Field) bool) []byte {
	from, to := http1.FrameChunk(p.Buffer[:], http1.ChunkHead, p.N)
	if p.Last {
		return http1.AppendTrailers(p.Buffer[from:to], p.Trailers, passes)
	}
	return p.Buffer[from:to]
}
