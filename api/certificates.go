package api

import "github.com/valyala/fasthttp"

// Certificate is a certificate that clients, or callers of this API, are shown, in JSON.
type Certificate struct {
	// Names are the hosts and addresses that it is for.
	Names []string `json:"names"`
	// ACME reports whether it is from an authority, by ACME. As long as that has issued none, it is
	// a self-signed one, or has no times.
	ACME bool `json:"acme"`
	// Cert is the file that it is from, Key the kind of its key, such as "ECDSA P-256", and Issuer
	// who signed it.
	Cert   string `json:"cert"`
	Key    string `json:"key"`
	Issuer string `json:"issuer"`
	// It is good from NotBefore to NotAfter, and DaysLeft is how many whole days are left of that,
	// negative if it has expired.
	NotBefore Moment `json:"not_before"`
	NotAfter  Moment `json:"not_after"`
	DaysLeft  int    `json:"days_left"`
	// Default reports whether it is for names that no certificate is for, too.
	Default bool `json:"default"`
	// Admin reports whether it is the admin API's own, which clients of the proxy aren't shown.
	Admin bool `json:"admin"`
	// Warnings are what clients may refuse it for.
	Warnings []string `json:"warnings"`
}

func (s *snapshot) listCertificates(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.certificates())
}

// certificates are those that clients are shown; [] in JSON if there are none.
func (s *snapshot) certificates() []Certificate {
	all := []Certificate{}
	if s.sources.Certificates != nil {
		all = append(all, s.sources.Certificates()...)
	}
	return all
}
