package gcra

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the fastest refill that is accepted, in tokens a second. It keeps the interval between
// two tokens at 1,000 ns or more, so that rounding it up to a whole nanosecond takes at most a
// thousandth of the rate from a client.
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

// Validate returns what is wrong with a Refill that ParseRefill did not make.
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
