package rewrite

// The names of the fields that are written here.
const (
	headerConnection       = "Connection"
	headerContentLength    = "Content-Length"
	headerContentType      = "Content-Type"
	headerLocation         = "Location"
	headerRequestID        = "X-Request-ID"
	headerTraceparent      = "Traceparent"
	headerHost             = "Host"
	headerTransferEncoding = "Transfer-Encoding"
	headerDate             = "Date"
	headerExpect           = "Expect"
	headerUpgrade          = "Upgrade"
	headerTE               = "TE"
	headerForwardedFor     = "X-Forwarded-For"
	headerForwardedProto   = "X-Forwarded-Proto"
	headerForwardedHost    = "X-Forwarded-Host"
	headerForwardedPort    = "X-Forwarded-Port"
	headerMaxForwards      = "Max-Forwards"
	headerVia              = "Via"
	headerRealIP           = "X-Real-IP"
	headerHSTS             = "Strict-Transport-Security"
)
