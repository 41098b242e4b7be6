// Package netconn wraps the connections of a proxy, to its clients and to its backends, so that
// they time out without a timer or a deadline per request, and end in good order.
//
// A Registry keeps the connections of one side. Each Read and Write notes when it will be overdue, by a
// coarse clock; one goroutine looks at those notes a few times per timeout and wakes what is overdue by
// setting a deadline in the past. Waking is a hint: who is woken looks at the clock again, and goes
// on if it is not overdue after all. So a wake-up that comes too late, when the connection does
// something else already, harms nothing.
package netconn
