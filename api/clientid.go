package api

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopher-equalizer/limiter"
)

// checkClientID returns what is wrong with a client_id. It must be 1 to 256 bytes of valid UTF-8
// without control characters (Unicode's category Cc: C0, DEL and C1).
func checkClientID(id string) error {
	switch {
	case id == "":
		return badRequest("client_id is missing or empty; want 1 to %d bytes", limiter.MaxClientID)
	case len(id) > limiter.MaxClientID:
		return badRequest("client_id %s is %d bytes long; want 1 to %d", excerpt(fmt.Sprintf("%q", id)), len(id), limiter.MaxClientID)
	case !utf8.ValidString(id):
		return badRequest("client_id %q is not valid UTF-8; want UTF-8", id)
	}
	if at := strings.IndexFunc(id, unicode.IsControl); at >= 0 {
		return badRequest("client_id %q has a control character at byte %d; want none", id, at)
	}
	return nil
}

// unescapeClientID reads a client_id from one segment of a path, decoding it exactly once. A plus
// sign is a plus sign.
func unescapeClientID(segment string) (string, error) {
	id, err := url.PathUnescape(segment)
	if err != nil {
		return "", badRequest("client_id %s in the path: %v; want it percent-encoded, such as a%%2Fb for a/b", excerpt(segment), err)
	}
	return id, checkClientID(id)
}

// BucketPath is the path of a client's bucket. The ids "." and ".." are encoded too, since clients
// would resolve them as dot segments (RFC 3986, 5.2.4).
func BucketPath(id string) string {
	segment := url.PathEscape(id)
	if id == "." || id == ".." {
		segment = strings.ReplaceAll(id, ".", "%2E")
	}
	return "/buckets/" + segment
}
