package h1

import (
	"io"

	"gopher-equalizer/proxy/http1"
)

// noEOF makes an end that came too early the error that it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// inBody has a refusal of a body count from the beginning of its message, whose head has so many
// bytes.
func inBody(err error, head int) error {
	if why, ok := err.(*http1.Refusal); ok {
		why.Offset += head
	}
	return err
}
