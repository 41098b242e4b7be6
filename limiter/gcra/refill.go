package gcra

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the fastest refill that is accepted, in tokens a second. It keeps the interval between
// two tokens at 1,000 ns or more, so that rounding it up to a whole nanosecond takes at most a
// thousandth of the rate from a client.
const MaxRate = 1_000_000

// Refill is how fast a bucket earns tokens: Amount tokens spread evenly over Per.
// It is written AMOUNT/DURATION: "1/1m", "5/10s", "100/s", "1000/30d".
type Refill struct {
	Amount int64
	Per    time.Duration
}

// ParseRefill reads AMOUNT/DURATION. The duration is Go's ("1m30s"), with optional weeks and days
// before it ("2w", "1d12h"). A unit alone stands for one of it ("/s" is "/1s"). Errors name the
// text and what was wanted.
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
	d, err := parsePer(per)
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
	return fmt.Errorf("refill %q: %s; want AMOUNT/DURATION, such as 1/1m, 100/s or 1000/30d", text, why)
}

// A day is always 24 hours.
const (
	day  = 24 * time.Hour
	week = 7 * day
)

var errPer = errors.New("not a duration")

// parsePer reads a duration of Go's, and whole weeks and days before it.
func parsePer(text string) (time.Duration, error) {
	weeks, rest, err := cutWhole(text, "w", week)
	if err != nil {
		return 0, err
	}
	days, rest, err := cutWhole(rest, "d", day)
	switch whole := weeks + days; {
	case err != nil || whole < 0:
		return 0, errPer
	case rest == text:
		return time.ParseDuration(text)
	case rest == "":
		return whole, nil
	case strings.ContainsAny(rest[:1], "+-"):
		return 0, errPer
	default:
		clock, err := time.ParseDuration(rest)
		if err != nil || whole+clock < 0 {
			return 0, errPer
		}
		return whole + clock, nil
	}
}

// cutWhole reads a whole number of the unit from the front of text, or 0 if it has none.
func cutWhole(text, unit string, length time.Duration) (d time.Duration, rest string, err error) {
	number, rest, found := strings.Cut(text, unit)
	if !found {
		return 0, text, nil
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n > uint64(math.MaxInt64/length) {
		return 0, "", errPer
	}
	return time.Duration(n) * length, rest, nil
}

// Validate checks a Refill that ParseRefill did not make.
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

// Interval is how many nanoseconds a token takes to earn. It is rounded up, against the client, by
// less than 1 ns a token.
func (r Refill) Interval() int64 {
	interval := int64(r.Per) / r.Amount
	if int64(r.Per)%r.Amount != 0 {
		interval++
	}
	return interval
}

// String writes the refill so that ParseRefill reads the same one back: "1/1m", "1000/30d".
func (r Refill) String() string {
	return strconv.FormatInt(r.Amount, 10) + "/" + shortPer(r.Per)
}

func shortPer(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return ShortDuration(d)
}

// ShortDuration writes a duration without the zero units that Duration.String ends on: "1h" for
// "1h0m0s".
func ShortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText is String, for JSON and TOML.
func (r Refill) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRefill, for JSON and TOML.
func (r *Refill) UnmarshalText(text []byte) error {
	parsed, err := ParseRefill(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
