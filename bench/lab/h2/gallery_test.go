//go:build linux

package h2

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// exchange is a request of a client, and what it must get. Programs of other languages read it as
// JSON.
type exchange struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// Upload is the size of a body, -1 for none, and Sized whether its length is announced.
	Upload int  `json:"upload"`
	Sized  bool `json:"sized"`

	want answer
}

func (e exchange) String() string {
	text := e.Method + " " + e.Path
	if e.Upload >= 0 {
		text += fmt.Sprintf(" with %d bytes, sized: %t", e.Upload, e.Sized)
	}
	return text
}

// answer is what a client got. Digest is of the body.
type answer struct {
	Status   int               `json:"status"`
	Size     int64             `json:"size"`
	Digest   string            `json:"digest"`
	Interim  []int             `json:"interim"`
	Trailers map[string]string `json:"trailers"`
}

// pattern is a body of this size.
func pattern(size int) string {
	const text = "0123456789abcdef"
	return strings.Repeat(text, size/len(text)+1)[:size]
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// is is an answer with a body.
func is(status int, body string) answer {
	return answer{Status: status, Size: int64(len(body)), Digest: digest(body)}
}

// sizes are those of bodies. The last one takes long.
func sizes() []int { return []int{0, 1, 10 << 10, 1 << 20, 10 << 20} }

// A slow response comes in this many pieces, with this pause before each.
const (
	pieces = 5
	piece  = "one piece of it\n"
	pause  = 50 * time.Millisecond
)

// own is the answer to what the proxy answers itself. Its body isn't compared.
func own(status int) answer { return answer{Status: status, Size: -1} }

// exchanges are every kind of response, and of upload, with bodies of these sizes.
func exchanges(sizes []int) []exchange {
	all := []exchange{
		{Method: "HEAD", Path: "/size/10240", want: is(200, "")},
		{Method: "GET", Path: "/status/204", want: is(204, "")},
		{Method: "GET", Path: "/status/304", want: is(304, "")},
		{Method: "GET", Path: "/status/404", want: is(404, "404")},
		{Method: "HEAD", Path: "/status/404", want: is(404, "")},
		{Method: "GET", Path: "/limited", want: own(429)},
		{Method: "HEAD", Path: "/limited", want: is(429, "")},
		{Method: "GET", Path: "/broken", want: own(502)},
		{Method: "GET", Path: "/slow", want: is(200, strings.Repeat(piece, pieces))},
		{Method: "OPTIONS", Path: "/size/1", want: is(200, "0")},
	}
	trailers := is(200, "body")
	trailers.Trailers = map[string]string{"x-trailer": "behind the body"}
	bare := is(200, "")
	bare.Trailers = trailers.Trailers
	early := is(200, "late")
	early.Interim = []int{103}
	all = append(all, exchange{Method: "GET", Path: "/trailers", want: trailers}, exchange{Method: "GET", Path: "/trailers/bare", want: bare}, exchange{Method: "GET", Path: "/early", want: early})
	for i := range all {
		all[i].Upload = -1
	}
	for _, size := range sizes {
		all = append(all,
			exchange{Method: "GET", Path: fmt.Sprintf("/size/%d", size), Upload: -1, want: is(200, pattern(size))},
			exchange{Method: "GET", Path: fmt.Sprintf("/chunked/%d", size), Upload: -1, want: is(200, pattern(size))},
			exchange{Method: "POST", Path: "/sum", Upload: size, Sized: true, want: is(200, fmt.Sprintf("%d %s sized", size, digest(pattern(size))))},
			exchange{Method: "POST", Path: "/sum", Upload: size, want: is(200, fmt.Sprintf("%d %s", size, digest(pattern(size))))},
			exchange{Method: "POST", Path: "/echo", Upload: size / 4, Sized: true, want: is(200, pattern(size/4))},
			exchange{Method: "POST", Path: "/echo", Upload: size / 4, want: is(200, pattern(size/4))},
		)
	}
	return all
}

// galleryConfig is the proxy's in front of the gallery.
const galleryConfig = "[limits.tight]\ncapacity = 1\nrefill = \"1/24h\"\n[[routes]]\npath_prefix = \"/limited\"\npool = \"web\"\nlimits = [\"tight\"]\n[[routes]]\npool = \"web\"\n"

// gallery is a backend that has every kind of response.
func gallery(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/size/{size}", func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.PathValue("size"))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.WriteString(w, pattern(size))
	})
	mux.HandleFunc("/chunked/{size}", func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.PathValue("size"))
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, pattern(size))
	})
	mux.HandleFunc("/status/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.WriteHeader(status)
		if status == http.StatusNotFound {
			_, _ = io.WriteString(w, "404")
		}
	})
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/slow", inPieces)
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "body")
		w.Header().Set(http.TrailerPrefix+"X-Trailer", "behind the body")
	})
	mux.HandleFunc("/trailers/bare", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Trailer", "behind the body")
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "late")
	})
	mux.HandleFunc("POST /sum", sum)
	mux.HandleFunc("POST /echo", echo)
	backend := httptest.NewServer(mux)
	t.Cleanup(backend.Close)
	return backend
}

// inPieces sends a response piece by piece.
func inPieces(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range pieces {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		_, _ = io.WriteString(w, piece)
		_ = http.NewResponseController(w).Flush()
	}
}

// sum responds with what the body was.
func sum(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	sized := ""
	if r.ContentLength > 0 || r.Header.Get("Content-Length") != "" {
		sized = " sized"
	}
	_, _ = fmt.Fprintf(w, "%d %s%s", len(text), digest(string(text)), sized)
}

// echo sends the body back as it comes.
func echo(w http.ResponseWriter, r *http.Request) {
	both := http.NewResponseController(w)
	_ = both.EnableFullDuplex()
	part := make([]byte, 16<<10)
	for {
		n, err := r.Body.Read(part)
		if _, werr := w.Write(part[:n]); werr != nil || both.Flush() != nil || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// meets checks what a client got. Some don't tell a body's digest, or what isn't the response.
func meets(t *testing.T, e exchange, got answer) {
	t.Helper()
	want := e.want
	if want.Size < 0 {
		want.Size, want.Digest, got.Digest = got.Size, "", ""
		assert.Positive(t, got.Size, "%s: it says why", e)
	}
	if got.Digest == "" {
		want.Digest = ""
	}
	if !slices.Equal(want.Interim, got.Interim) {
		assert.Equal(t, want.Interim, got.Interim, e.String())
	}
	want.Interim, got.Interim = nil, nil
	assert.Equal(t, want, got, e.String())
}
