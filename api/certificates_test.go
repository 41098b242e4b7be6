package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCertificates(t *testing.T) {
	var all []Certificate
	r := start(t, func(_ *Settings, s *Sources) { s.Certificates = func() []Certificate { return all } })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/certificates"}).body)
	at := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	all = []Certificate{{
		Names: []string{"a.test"}, Cert: "a.pem", Key: "ECDSA P-256", Issuer: "CN=ca", NotBefore: Moment{at}, NotAfter: Moment{at.Add(time.Hour)},
		DaysLeft: -1, Default: true, Warnings: []string{"expired"},
	}}
	assert.JSONEq(t, `[{"names": ["a.test"], "acme": false, "cert": "a.pem", "key": "ECDSA P-256", "issuer": "CN=ca", "days_left": -1, "default": true, "admin": false,
		"not_before": "2026-11-29T08:00:00.000Z", "not_after": "2026-11-29T09:00:00.000Z", "warnings": ["expired"]}]`,
		r.do(t, request{method: "GET", target: "/certificates"}).body)
	r.do(t, request{method: "GET", target: "/certificates?x"}).problem(t, 400, "bad-request")
	r.do(t, request{method: "POST", target: "/certificates", body: "{}"}).problem(t, 405, "method-not-allowed")
}

func TestNoCertificates(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Certificates = nil })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/certificates"}).body)
}
