package store

import (
	"fmt"
	"os"
	"time"
)

// Holder is the process that holds a store, for the error of another one that wants it.
type Holder struct {
	Host  string
	PID   int
	Since time.Time
}

// Self is this process, holding a store from now on.
func Self() Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	return Holder{Host: host, PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second)}
}

// String returns "process 4711 on web-1, since 2026-11-23T07:21:02Z".
func (h Holder) String() string {
	return fmt.Sprintf("process %d on %s, since %s", h.PID, h.Host, h.Since.UTC().Format(time.RFC3339))
}
