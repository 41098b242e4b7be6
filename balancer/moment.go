package balancer

import "time"

// moment is a time in nanoseconds by a clock that is never set. The zero moment is none.
type moment int64

var started = time.Now()

// now is the time since the process started, and a century more, as a test's clock may begin before
// that.
func now() moment { return moment(time.Since(started)) + 100*365*24*moment(time.Hour) }
