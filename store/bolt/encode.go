package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store"
)

// A value is, one after the other:
//
//	flags     1 byte: bit 0 is Managed, bit 1 is set if something is reserved, bit 2 if the kind is
//	          Window, bit 3 if there is a tier, the others are 0
//	capacity  uvarint
//	amount    uvarint, of the refill
//	per       uvarint, of the refill, in nanoseconds
//	tokens    8 bytes, IEEE 754, big endian
//	at        varint, Unix time in microseconds
//	reserved  8 bytes, IEEE 754, big endian, if the flag is set
//	tier      uvarint, its length, and as many bytes, if the flag is set
const (
	flagManaged = 1 << iota
	flagReserved
	flagWindow
	flagTier
	allFlags = 1<<iota - 1
)

// errValue is wrapped when a value can't be decoded.
var errValue = fmt.Errorf("%w: its value makes no sense", errDamaged)

func appendValue(dst []byte, r *limiter.Record) []byte {
	var flags byte
	if r.Managed {
		flags |= flagManaged
	}
	if r.Reserved != 0 {
		flags |= flagReserved
	}
	if r.Kind == limiter.Window {
		flags |= flagWindow
	}
	if r.Tier != "" {
		flags |= flagTier
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(r.Settings.Capacity))
	dst = binary.AppendUvarint(dst, uint64(r.Settings.Refill.Amount))
	dst = binary.AppendUvarint(dst, uint64(r.Settings.Refill.Per))
	dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Tokens))
	dst = binary.AppendVarint(dst, r.At.UnixMicro())
	if r.Reserved != 0 {
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Reserved))
	}
	if r.Tier != "" {
		dst = append(binary.AppendUvarint(dst, uint64(len(r.Tier))), r.Tier...)
	}
	return dst
}

// decodeValue reads what appendValue wrote. Errors name the client.
func decodeValue(key limiter.Key, value []byte) (limiter.Record, error) {
	d := decoder{rest: value}
	flags := d.bytes(1)[0]
	r := limiter.Record{
		Key: key,
		Settings: gcra.Settings{
			Capacity: d.positive(),
			Refill:   gcra.Refill{Amount: d.positive(), Per: time.Duration(d.positive())},
		},
	}
	r.Tokens = d.float()
	r.At = time.UnixMicro(d.varint()).UTC()
	if flags&flagReserved != 0 {
		r.Reserved = d.float()
	}
	if flags&flagWindow != 0 {
		r.Kind = limiter.Window
	}
	if flags&flagTier != 0 {
		r.Tier = d.text()
	}
	switch {
	case d.failed || len(d.rest) > 0:
		return limiter.Record{}, fmt.Errorf("client %q: %w: %x", key.ClientID, errValue, value)
	case flags&^allFlags != 0:
		return limiter.Record{}, fmt.Errorf("client %q: %w: unknown flags %#x", key.ClientID, errValue, flags)
	}
	r.Managed = flags&flagManaged != 0
	if err := store.Check(r); err != nil {
		return limiter.Record{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return r, nil
}

// decoder removes fields from the front of a value. Once a field isn't there, it has failed.
type decoder struct {
	rest   []byte
	failed bool
}

// bytes are the next n, up to 8.
func (d *decoder) bytes(n int) []byte {
	if len(d.rest) < n {
		d.failed = true
		return make([]byte, n)
	}
	field := d.rest[:n]
	d.rest = d.rest[n:]
	return field
}

// positive is the next uvarint, at most what an int64 holds.
func (d *decoder) positive() int64 {
	u, n := binary.Uvarint(d.rest)
	if u > math.MaxInt64 {
		n = 0
	}
	d.advance(n)
	return int64(u)
}

// text is a length, and as many bytes.
func (d *decoder) text() string {
	field, rest := cutBytes(d.rest)
	d.failed = d.failed || rest == nil
	d.rest = rest
	return string(field)
}

func (d *decoder) float() float64 { return math.Float64frombits(binary.BigEndian.Uint64(d.bytes(8))) }

func (d *decoder) varint() int64 {
	i, n := binary.Varint(d.rest)
	d.advance(n)
	return i
}

func (d *decoder) advance(n int) {
	if n <= 0 {
		d.failed = true
		return
	}
	d.rest = d.rest[n:]
}
