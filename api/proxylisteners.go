package api

import "github.com/valyala/fasthttp"

// Listener is what a listener of the proxy does with those who connect, in JSON. In an
// [Explanation] it is what it does with requests for the host.
type Listener struct {
	// Listen is its address.
	Listen string `json:"listen"`
	TLS    bool   `json:"tls"`
	// Protocols are the versions of HTTP that clients may speak, the preferred one first.
	Protocols []string `json:"protocols"`
	// RedirectPort is the port by https that it redirects to; 0: it serves.
	RedirectPort int `json:"redirect_port,omitempty"`
	// MinVersion is the least version of TLS, "1.2" or "1.3", and ClientAuth is "off", "request" or
	// "require": whether it asks clients for certificates. Both are "" in clear.
	MinVersion string `json:"min_version,omitempty"`
	ClientAuth string `json:"client_auth,omitempty"`
	// ProxyProtocol are those whose connections it takes, if they name their client by the PROXY
	// protocol; if there are none it takes all.
	ProxyProtocol []string `json:"proxy_protocol,omitempty"`
}

func (s *snapshot) listListeners(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.listeners())
}

// listeners are those of the proxy; [] in JSON if there are none.
func (s *snapshot) listeners() []Listener {
	all := []Listener{}
	if s.sources.Listeners != nil {
		all = append(all, s.sources.Listeners()...)
	}
	return all
}
