package rewrite

// The names of fields that our own responses have, too.
const (
	HeaderConnection    = "Connection"
	HeaderContentLength = "Content-Length"
	HeaderRequestID     = "X-Request-ID"
)

// The names of the other fields that are written here.
const (
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
)
