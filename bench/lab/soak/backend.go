//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	largeSize = 1 << 20
	// A slow response comes in this many pieces, with this pause before each.
	slowPieces = 10
	slowPause  = 50 * time.Millisecond
)

// An event stream has this many heartbeats.
const (
	heartbeatCount = 5
	heartbeat      = ":\n\n"
)

// protocol is what upgraded connections speak: lines that are sent back. After a "bye" the other
// side ends the connection.
const protocol = "echo"

// pattern is what bodies consist of.
const pattern = "0123456789abcdef"

func large() []byte { return bytes.Repeat([]byte(pattern), largeSize/len(pattern)) }

// serveBackend is the backend's process: it prints its address and serves until it is ended.
func serveBackend() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, ln.Addr()); err != nil {
		return err
	}
	return http.Serve(ln, backend())
}

func backend() http.Handler {
	body := large()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /small", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, pattern) })
	mux.HandleFunc("GET /large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	mux.HandleFunc("GET /endless", endless)
	mux.HandleFunc("GET /slow", slow)
	mux.HandleFunc("GET /events", beat)
	mux.HandleFunc("GET /cut", cut)
	mux.HandleFunc("POST /echo", echo)
	mux.HandleFunc("POST /count", count)
	mux.HandleFunc("GET /upgrade", upgrade)
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {}) // probes
	return mux
}

// slow sends its response piece by piece, until it is done or nobody listens any more.
func slow(w http.ResponseWriter, r *http.Request) {
	pause := time.NewTicker(slowPause)
	defer pause.Stop()
	for range slowPieces {
		select {
		case <-r.Context().Done():
			return
		case <-pause.C:
		}
		_, _ = io.WriteString(w, pattern)
		_ = http.NewResponseController(w).Flush()
	}
}

// endless sends a body until nobody takes it any more.
func endless(w http.ResponseWriter, _ *http.Request) {
	for body := large(); ; {
		if _, err := w.Write(body); err != nil {
			return
		}
	}
}

// beat is an event stream. The query has the pause before each heartbeat.
func beat(w http.ResponseWriter, r *http.Request) {
	pause, err := time.ParseDuration(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "want the pause as the query", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for range heartbeatCount {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
		_, _ = io.WriteString(w, heartbeat)
	}
}

// count responds with the size of the body.
func count(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = fmt.Fprint(w, n)
}

// cut breaks off amid its response.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(2*len(pattern)))
	_, _ = io.WriteString(w, pattern)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// echo sends the body back as it comes, in chunks if it came in chunks.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	both := http.NewResponseController(w)
	_ = both.EnableFullDuplex()
	_ = both.Flush() // Its client may await the header before it sends anything.
	part := make([]byte, 16<<10)
	for {
		n, err := r.Body.Read(part)
		if _, werr := w.Write(part[:n]); werr != nil || both.Flush() != nil {
			return
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// upgrade switches to the protocol.
func upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != protocol || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "want Upgrade: "+protocol, http.StatusUpgradeRequired)
		return
	}
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = both.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
	if both.Flush() == nil {
		echoLines(both)
	}
}

func echoLines(both *bufio.ReadWriter) {
	for {
		line, err := both.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := both.WriteString(line); err != nil || both.Flush() != nil || line == "bye\n" {
			return
		}
	}
}
