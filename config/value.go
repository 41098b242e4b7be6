package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes.
type Size int64

// The units of a Size. There are no decimal ones, since some people mean 1000 by the "K" of "KB"
// and some 1024.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
	TiB       = 1024 * GiB
)

// ParseSize reads a whole number with a unit, or without one for bytes, such as "16KiB", "1GiB",
// "512B" or "0". Errors name the text and what was wanted.
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, sizeError(text, "too large")
	case err != nil:
		return 0, sizeError(text, "not a whole number of bytes")
	}
	unit, known := sizeUnit(text[len(digits):])
	switch {
	case !known:
		return 0, sizeError(text, fmt.Sprintf("unknown unit %q", text[len(digits):]))
	case n > uint64(math.MaxInt64/unit):
		return 0, sizeError(text, "too large")
	}
	return Size(n) * unit, nil
}

func sizeUnit(name string) (Size, bool) {
	switch name {
	case "", "B":
		return Byte, true
	case "KiB":
		return KiB, true
	case "MiB":
		return MiB, true
	case "GiB":
		return GiB, true
	case "TiB":
		return TiB, true
	}
	return 0, false
}

func sizeError(text, why string) error {
	return fmt.Errorf("%s: %s; want bytes, or a whole number with B, KiB, MiB, GiB or TiB, such as \"16KiB\"", show(text), why)
}

// String writes the size in the largest unit that gives a whole number, such as "16KiB", so that
// ParseSize reads the same one back.
func (s Size) String() string {
	for _, name := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if unit, _ := sizeUnit(name); s != 0 && s%unit == 0 {
			return strconv.FormatInt(int64(s/unit), 10) + name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Rate is a number of bytes a second.
type Rate int64

// ParseRate reads a size a second, such as "1KiB/s", "1KiB" or "0". Errors name the text and what
// was wanted.
func ParseRate(text string) (Rate, error) {
	size, err := ParseSize(strings.TrimSuffix(text, "/s"))
	if err != nil {
		return 0, fmt.Errorf("%s: not a size a second; want one such as \"1KiB/s\", or \"0\" for none", show(text))
	}
	return Rate(size), nil
}

// String writes the rate so that ParseRate reads the same one back.
func (r Rate) String() string {
	if r == 0 {
		return "0"
	}
	return Size(r).String() + "/s"
}

// parseDuration reads Go's durations that aren't below 0, such as "500ms" or "1m30s". A number
// needs a unit, even "0", since a reader could take 5 for seconds or for milliseconds.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	_, notNumber := strconv.ParseFloat(text, 64)
	switch {
	case notNumber == nil:
		return 0, durationError(text, "no unit")
	case err != nil:
		return 0, durationError(text, "not a duration")
	case d < 0 || strings.HasPrefix(text, "-"):
		return 0, durationError(text, "below 0")
	}
	return d, nil
}

func durationError(text, why string) error {
	return fmt.Errorf("%s: %s; want a number with ns, us, ms, s, m or h, such as \"5s\" or \"1m30s\"", show(text), why)
}

// Secret is a password or a token. It prints as "***", so logging a Config reveals nothing.
// string(s) is the value.
type Secret string

// starred stands for a secret where a configuration is shown.
const starred = "***"

// String hides the value, unless it is "".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return starred
}

// Format hides the value from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the value from JSON and TOML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// shown is a value in an error message. [report.add] puts the reference in its place, if the key's
// value came from one.
type shown string

// show quotes a value for an error message, cut to a length that fits a line, and without the user
// and password that a URL may hold.
func show(text string) shown {
	const most = 120
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		scheme := strings.Index(text[:at], "//")
		if scheme >= 0 {
			scheme += len("//")
		}
		text = text[:max(scheme, 0)] + starred + text[at:]
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return shown(strconv.Quote(text))
}
