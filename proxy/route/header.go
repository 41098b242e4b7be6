package route

import (
	"errors"
	"fmt"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// anyValue stands for every value in a match of a header.
const anyValue = "*"

// Header is a match of a request's header field. Its zero value is of no use.
type Header struct{ name, lower, value string }

// ParseHeader reads a match: a field's name, and the value that it must have, exactly; "*" is any
// value. Names match in any case. The error names both and what was wanted.
func ParseHeader(name, value string) (Header, error) {
	if err := checkHeader(name, value); err != nil {
		return Header{}, fmt.Errorf("unexpected header match %s = %q: %w", name, value, err)
	}
	return Header{name: name, lower: strings.ToLower(name), value: value}, nil
}

func checkHeader(name, value string) error {
	if !http1.IsToken([]byte(name)) {
		return errors.New("want a header's name, such as X-Version")
	}
	folded, _ := http1.Fold(make([]byte, 0, len(name)), []byte(name))
	switch lower := string(folded); {
	case lower == "host":
		return errors.New("want host for the host")
	case lower == "forwarded", lower == "x-real-ip", strings.HasPrefix(lower, "x-forwarded-"):
		return errors.New("any client can send this header, which is believed of trusted proxies only; want another one")
	case value == "":
		return errors.New(`want a value, or "*" for any`)
	case !http1.IsFieldValue([]byte(value)):
		return errors.New("a control character in the value; want none")
	case strings.Trim(value, " \t") != value:
		return errors.New("want no space around the value")
	}
	return nil
}

// String is the match as people write it.
func (h Header) String() string { return h.name + ": " + h.value }

// includes reports whether a field that other matches is matched by h too.
func (h Header) includes(other Header) bool {
	return h.lower == other.lower && (h.value == anyValue || h.value == other.value)
}

// matches reports whether one of the fields has the name and the value. Where a field comes more
// than once, any of its lines will do.
func (h *Header) matches(fields []http1.Field) bool {
	for i := range fields {
		f := &fields[i]
		if len(f.Name) == len(h.lower) && http1.Is(f.Name, h.lower) && (h.value == anyValue || string(f.Value) == h.value) {
			return true
		}
	}
	return false
}
