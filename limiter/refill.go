package limiter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the fastest refill that is accepted, in tokens a second. It keeps a
// token's cost at 1,000 ns or more, so that rounding it up to a whole nanosecond
// costs a client at most a thousandth of its rate.
const MaxRate = 1_000_000

// Refill is how fast a bucket earns tokens: Amount tokens spread evenly over Per.
// It is written AMOUNT/DURATION: "1/1m", "5/10s", "100/s".
type Refill struct {
	Amount int64
	Per    time.Duration
}

// ParseRefill reads AMOUNT/DURATION. The duration is Go's ("1m30s"); a unit alone
// stands for one of it ("/s" is "/1s"). Errors name the text and what was wanted.
func ParseRefill(text string) (Refill, error) {
	amount, per, found := strings.Cut(text, "/")
	if !found {
		return Refill{}, refillError(text, "no slash in it")
	}
	n, err := strconv.ParseInt(amount, 10, 64)
	if err != nil || amount[0] == '+' {
		return Refill{}, refillError(text, fmt.Sprintf("%q is not a whole number", amount))
	}
	if per != "" && (per[0] < '0' || per[0] > '9') && per[0] != '.' && per[0] != '-' && per[0] != '+' {
		per = "1" + per
	}
	d, err := time.ParseDuration(per)
	if err != nil {
		return Refill{}, refillError(text, fmt.Sprintf("%q is not a duration", per))
	}
	r := Refill{Amount: n, Per: d}
	if err := r.Validate(); err != nil {
		return Refill{}, refillError(text, err.Error())
	}
	return r, nil
}

func refillError(text, why string) error {
	return fmt.Errorf("refill %q: %s; want AMOUNT/DURATION, such as 1/1m, 5/10s or 100/s", text, why)
}

// Validate says what is wrong with a Refill that was not made by ParseRefill.
func (r Refill) Validate() error {
	switch {
	case r.Amount < 1:
		return fmt.Errorf("amount %d is below 1", r.Amount)
	case r.Per < 1:
		return fmt.Errorf("duration %v is not above 0", r.Per)
	case r.Amount > int64(r.Per/(time.Second/MaxRate)):
		return fmt.Errorf("faster than %d tokens a second", MaxRate)
	}
	return nil
}

// Cost is what one token costs in nanoseconds of refill, rounded up: against the
// client, by less than 1 ns a token.
func (r Refill) Cost() int64 {
	cost := int64(r.Per) / r.Amount
	if int64(r.Per)%r.Amount != 0 {
		cost++
	}
	return cost
}

// String writes the refill so that ParseRefill reads the same one back: "1/1m".
func (r Refill) String() string {
	per := r.Per.String()
	// time.Duration writes a minute as "1m0s" and an hour as "1h0m0s".
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return strconv.FormatInt(r.Amount, 10) + "/" + per
}

// MarshalText writes the refill as String does, for JSON and TOML.
func (r Refill) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRefill reads, for JSON and TOML.
func (r *Refill) UnmarshalText(text []byte) error {
	parsed, err := ParseRefill(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// maxSpan is the longest time that a bucket may take to fill, in nanoseconds: some
// 73 years. Sums of two spans and a clock reading then stay within an int64.
const maxSpan = 1 << 61

// Settings are what a bucket may hold and how fast it earns.
type Settings struct {
	// Capacity is the most tokens the bucket holds, at least 1.
	Capacity int64
	// Refill is how fast it earns them.
	Refill Refill
}

// ErrSettings is wrapped by every error about settings that can't be.
var ErrSettings = errors.New("bad bucket settings")

// Validate says whether a bucket can have these settings: a capacity of at least 1,
// and a time to fill that fits the arithmetic. Errors name both values and wrap ErrSettings.
func (s Settings) Validate() error {
	if s.Capacity < 1 {
		return fmt.Errorf("%w: capacity %d is below 1", ErrSettings, s.Capacity)
	}
	if err := s.Refill.Validate(); err != nil {
		return fmt.Errorf("%w: refill %v: %w", ErrSettings, s.Refill, err)
	}
	if s.Capacity > maxSpan/s.Refill.Cost() {
		return fmt.Errorf("%w: capacity %d with refill %v would take longer than %v to fill; lower the capacity or refill faster",
			ErrSettings, s.Capacity, s.Refill, time.Duration(maxSpan).Truncate(time.Hour))
	}
	return nil
}
