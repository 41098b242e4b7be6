//go:build linux

package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// fullHandshake is the TLS of a client that keeps no session and knows only X25519, which all peers
// know. Nothing is verified, since only the server's work is measured.
var fullHandshake = &tls.Config{
	MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
	InsecureSkipVerify: true, SessionTicketsDisabled: true,
}

// Handshakes has o.Connections clients make requests for o.Time, each by TLS on a new connection.
// wrk would resume the session of the connection before.
func Handshakes(ctx context.Context, o Order) (Outcome, error) {
	start := time.Now()
	end := start.Add(o.Time)
	var mu sync.Mutex
	var out Outcome
	var latencies []time.Duration
	var clients sync.WaitGroup
	for range o.Connections {
		clients.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				began := time.Now()
				status, err := shakeAndAsk(ctx, o)
				mu.Lock()
				out.addStatus(status, err)
				latencies = append(latencies, time.Since(began))
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	out.Elapsed, out.Latency = time.Since(start), quantiles(latencies)
	return out, ctx.Err()
}

func (o *Outcome) addStatus(status int, err error) {
	switch {
	case err != nil:
		o.Broken++
		return
	case status >= http.StatusBadRequest:
		o.Refused++
	}
	o.Answered++
}

// shakeAndAsk makes a handshake and one request, and reads the response to its end.
func shakeAndAsk(ctx context.Context, o Order) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: fullHandshake}).DialContext(ctx, "tcp", o.Target)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, o.request()); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// request is a request that is to be the last on its connection.
func (o Order) request() string {
	key := ""
	switch o.Key {
	case OneKey:
		key = KeyHeader + ": client-1\r\n"
	case RandomKeys:
		key = KeyHeader + ": client-" + strconv.Itoa(Keys+rand.IntN(Keys)) + "\r\n"
	}
	return fmt.Sprintf("GET /%s HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", o.Size, o.Target, key)
}
