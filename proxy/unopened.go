package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"

	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// unopened counts and logs a connection that failed before its first request: its PROXY header or
// its TLS handshake. A client that is silent, or leaves before it has sent anything, may only have
// looked whether somebody listens. One that speaks HTTP in clear is told so; its request is one
// that was refused.
func (p *Proxy) unopened(peer netip.Addr, err error) (farewell []byte) {
	var preface *netconn.PrefaceError
	if errors.As(err, &preface) {
		p.unintroduced(peer, preface.Err)
		return nil
	}
	log := &p.snapshot.Load().Log
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil || !looksLikeHTTP(record.RecordHeader[:]) {
		if err != netconn.ErrTimeout && err != netconn.ErrNothingSent {
			p.record.Unopened(peer, err, log.Access)
		}
		return nil
	}
	var o outcome.Outcome
	o.From.Peer, o.From.Addr = peer, peer
	p.record.Began()
	o.Fail(outcome.NotTLS)
	var own rewrite.Reply
	o.Reply(&own)
	o.Size = int64(len(own.Body))
	p.record.Record(&o, log)
	farewell = own.AppendHead(nil)
	farewell = append(farewell, "Connection: close\r\n\r\n"...)
	return append(farewell, own.Body...)
}

// unintroduced counts and logs a connection that didn't begin with what it had to. A peer that
// leaves, or is silent, may only have looked whether somebody listens.
func (p *Proxy) unintroduced(peer netip.Addr, err error) {
	var ofNetwork net.Error
	if err == io.EOF || errors.As(err, &ofNetwork) {
		return
	}
	p.record.Unintroduced(peer, err)
}

// looksLikeHTTP reports whether something may be the beginning of a request: a method, in any case,
// and a space.
func looksLikeHTTP(begin []byte) bool {
	for i, c := range begin {
		switch {
		case c == ' ' && i > 0:
			return true
		case (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'):
			return false
		}
	}
	return true
}
