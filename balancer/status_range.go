package balancer

import (
	"fmt"
	"strconv"
	"strings"
)

// StatusRange is a range of HTTP statuses, both ends included, each from 100 to 599.
type StatusRange struct {
	First, Last int
}

// ParseStatusRange reads "200-299", or "204" for that one status. The error names the text, what is
// wrong with it, and what was wanted.
func ParseStatusRange(text string) (StatusRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	var r StatusRange
	var err error
	if r.First, err = parseStatus(first); err != nil {
		return StatusRange{}, statusRangeError(text, err.Error())
	}
	if r.Last, err = parseStatus(last); err != nil {
		return StatusRange{}, statusRangeError(text, err.Error())
	}
	if r.Last < r.First {
		return StatusRange{}, statusRangeError(text, "it ends before it starts")
	}
	return r, nil
}

func statusRangeError(text, why string) error {
	return fmt.Errorf("statuses %q: %s; want one such as 204, or a range such as 200-299", text, why)
}

// parseStatus takes exactly three digits. strconv alone would also take "+204" and "0204".
func parseStatus(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || len(text) != 3 || n < 100 || n > 599 {
		return 0, fmt.Errorf("%q is not a status from 100 to 599", text)
	}
	return int(n), nil
}

// Contains reports whether the status is in the range.
func (r StatusRange) Contains(status int) bool {
	return r.First <= status && status <= r.Last
}

// String writes the range so that ParseStatusRange reads the same one back.
func (r StatusRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}
