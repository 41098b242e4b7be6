package api

import "time"

// Moment is a time as the API writes it: RFC 3339 in UTC with milliseconds; null for the zero time.
type Moment struct{ time.Time }

// MarshalJSON writes the time. It never fails.
func (m Moment) MarshalJSON() ([]byte, error) {
	if m.IsZero() {
		return []byte("null"), nil
	}
	return []byte(m.UTC().Format(`"2006-01-02T15:04:05.000Z07:00"`)), nil
}
