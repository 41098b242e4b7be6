package api

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
)

// secure has a connection that was just accepted be by TLS, if that is configured. Each connection
// gets the TLS of that moment, so a change needs no new listener. A unix socket has none.
func (s *Server) secure(conn net.Conn) net.Conn {
	config := s.current.Load().settings.TLS
	if config == nil || conn.LocalAddr().Network() == "unix" {
		return conn
	}
	return &secureConn{tls.Server(conn, config)}
}

// secureConn is a connection by TLS.
type secureConn struct{ *tls.Conn }

// Handshake tells clients that speak HTTP in clear what is spoken here.
func (c *secureConn) Handshake() error {
	err := c.Conn.Handshake()
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && isLetter(record.RecordHeader[0]) {
		return errors.Join(err, respondInClear(record.Conn))
	}
	return err
}

// isLetter reports whether a byte may begin a method of HTTP. No record of TLS begins with it.
func isLetter(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }

// lingering is how long what a client sent in clear is read on. If it were closed with bytes that
// nobody read, the client might lose the response.
const lingering = time.Second

func respondInClear(conn net.Conn) error {
	var response fasthttp.Response
	p := problem.Problem{
		Type: problem.Namespace + "tls-wanted", Title: "TLS is spoken here", Status: fasthttp.StatusBadRequest,
		Detail: "the request came in clear, and the admin API speaks TLS here; want https://",
	}
	response.SetStatusCode(p.Status)
	response.Header.SetContentType(problem.ContentType)
	response.SetConnectionClose()
	response.SetBody(problem.Append(nil, p))
	out := bufio.NewWriter(conn)
	if err := errors.Join(response.Write(out), out.Flush()); err != nil {
		return err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // It is closed whole right after.
	}
	if err := conn.SetReadDeadline(time.Now().Add(lingering)); err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, conn, maxHeader+maxBody)
	return nil
}
