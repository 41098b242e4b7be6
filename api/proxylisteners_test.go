package api

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestListeners(t *testing.T) {
	var all []Listener
	r := start(t, func(_ *Settings, s *Sources) { s.Listeners = func() []Listener { return all } })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/listeners"}).body)
	all = []Listener{
		{Listen: ":80", Protocols: []string{"http/1.1"}, RedirectPort: 443},
		{Listen: ":443", TLS: true, Protocols: []string{"h2", "http/1.1"}, MinVersion: "1.3", ClientAuth: "require", ProxyProtocol: []string{"10.0.0.1"}},
	}
	assert.JSONEq(t, `[{"listen": ":80", "tls": false, "protocols": ["http/1.1"], "redirect_port": 443},
		{"listen": ":443", "tls": true, "protocols": ["h2", "http/1.1"], "min_version": "1.3", "client_auth": "require", "proxy_protocol": ["10.0.0.1"]}]`,
		r.do(t, request{method: "GET", target: "/listeners"}).body)
	r.do(t, request{method: "POST", target: "/listeners", body: "{}"}).problem(t, 405, "method-not-allowed")
}

func TestNoListeners(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Listeners = nil })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/listeners"}).body)
}
