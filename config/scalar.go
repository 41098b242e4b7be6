package config

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/route"
)

// scalar lays a TOML value over a field that is not a table, an array or a map. known reports
// whether into is such a field. The error is what is there and what was wanted.
func scalar(from, into any) (known bool, err error) {
	switch to := into.(type) {
	case *string:
		return true, convert(from, to, "a string", as[string])
	case *bool:
		return true, convert(from, to, "true or false", as[bool])
	case *int64:
		return true, convert(from, to, "a whole number", as[int64])
	case *int:
		return true, convert(from, to, "a whole number", toInt)
	case *float64:
		return true, number(from, to)
	case *Secret:
		return true, secret(from, to)
	case *Size:
		return true, size(from, to)
	case *Rate:
		return true, rate(from, to)
	case *time.Duration:
		return true, duration(from, to)
	case *balancer.Strategy:
		return true, convert(from, to, "a string", balancer.ParseStrategy)
	case *balancer.Priority:
		return true, convert(from, to, "a string", balancer.ParsePriority)
	case *balancer.State:
		return true, convert(from, to, "a string", balancer.ParseState)
	case *balancer.HealthType:
		return true, convert(from, to, "a string", balancer.ParseHealthType)
	case *balancer.StatusRange:
		return true, convert(from, to, `a string, such as "401" or "200-299"`, balancer.ParseStatusRange)
	case *route.Ambiguity:
		return true, convert(from, to, "a string", route.ParseAmbiguity)
	case *gcra.Refill:
		return true, convert(from, to, `a string, such as "1/1m"`, gcra.ParseRefill)
	}
	return false, nil
}

// plainOf is the value of a field as TOML has it, so that scalar reads the same one. A Secret stays
// one. scalar reports whether the field isn't a table, an array or a map.
func plainOf(field any) (plain any, scalar bool) {
	switch v := field.(type) {
	case string, bool, int64, float64, Secret:
		return v, true
	case int:
		return int64(v), true
	case Size:
		if v < KiB {
			return int64(v), true
		}
		return v.String(), true
	case Rate:
		return v.String(), true
	case time.Duration:
		return gcra.ShortDuration(v), true
	case balancer.Strategy:
		return string(v), true
	case balancer.Priority:
		return string(v), true
	case balancer.State:
		return string(v), true
	case balancer.HealthType:
		return string(v), true
	case balancer.StatusRange:
		return v.String(), true
	case route.Ambiguity:
		return v.String(), true
	case gcra.Refill:
		return v.String(), true
	}
	return nil, false
}

// convert reads a TOML value of type F. After an error into is as it was.
func convert[F, T any](from any, into *T, want string, parse func(F) (T, error)) error {
	value, ok := from.(F)
	if !ok {
		return fmt.Errorf("%s; want %s", describe(from), want)
	}
	parsed, err := parse(value)
	if err == nil {
		*into = parsed
	}
	return err
}

func as[T any](value T) (T, error) { return value, nil }

func toInt(n int64) (int, error) {
	if int64(int(n)) != n {
		return 0, fmt.Errorf("%d is too large", n)
	}
	return int(n), nil
}

// number reads a float or an integer, so 1 is as good as 1.0.
func number(from any, into *float64) error {
	if whole, ok := from.(int64); ok {
		*into = float64(whole)
		return nil
	}
	return convert(from, into, "a number, such as 0.5", as[float64])
}

// secret reads a string, and never shows what is there instead of one.
func secret(from any, into *Secret) error {
	value, ok := from.(string)
	if !ok {
		return fmt.Errorf("%s; want a string", kind(from))
	}
	if value == starred {
		return errors.New(starred + " is how a secret is shown; want the secret, or ${...} for where it is")
	}
	*into = Secret(value)
	return nil
}

func size(from any, into *Size) error {
	if bytes, ok := from.(int64); ok && bytes >= 0 {
		*into = Size(bytes)
		return nil
	} else if ok {
		return sizeError(strconv.FormatInt(bytes, 10), "below 0")
	}
	return convert(from, into, `bytes, or a string such as "16KiB"`, ParseSize)
}

func rate(from any, into *Rate) error {
	if bytes, ok := from.(int64); ok {
		*into = Rate(bytes) // below 0 is out of range
		return nil
	}
	return convert(from, into, `bytes a second, or a string such as "1KiB/s"`, ParseRate)
}

func duration(from any, into *time.Duration) error {
	switch from.(type) {
	case int64, float64:
		return errors.New(plain(from) + `: no unit; want a string such as "5s" or "500ms"`)
	}
	return convert(from, into, `a string such as "5s" or "500ms"`, parseDuration)
}

// describe names a TOML value's type, and shows the value if it is short.
func describe(value any) string {
	if text := plain(value); text != "" {
		return text + " is " + kind(value)
	}
	return kind(value)
}

// plain writes a TOML value as in a document; "" if it would be too long.
func plain(value any) string {
	switch v := value.(type) {
	case string:
		return string(show(v))
	case int64, float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

func kind(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	}
	return "an array"
}
