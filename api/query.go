package api

import (
	"net/url"
	"strconv"
	"strings"

	"gopher-equalizer/limiter"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// parseListQuery reads the parameters of a listing, each at most once. after= and prefix= are about
// ids as they are listed, so they aren't hashed.
func parseListQuery(query string) (limiter.Query, error) {
	q := limiter.Query{Limit: defaultPage}
	seen := make(map[string]bool, 5)
	for pair := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		if err := parseParameter(pair, &q, seen); err != nil {
			return limiter.Query{}, err
		}
	}
	if q.Offset > limiter.MaxWindow-q.Limit {
		return limiter.Query{}, badRequest("offset %d + limit %d is beyond %d; want after=CLIENT_ID instead of an offset", q.Offset, q.Limit, limiter.MaxWindow)
	}
	return q, nil
}

func parseParameter(pair string, q *limiter.Query, seen map[string]bool) (err error) {
	escapedName, escapedValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(escapedName)
	value, valueErr := url.QueryUnescape(escapedValue)
	if nameErr != nil || valueErr != nil {
		return badRequest("the query has %s; want it percent-encoded", excerpt(pair))
	}
	if seen[name] {
		return badRequest("the query has %s twice; want it once", excerpt(name))
	}
	seen[name] = true
	switch name {
	case "limit":
		q.Limit, err = parseCount(name, value, 1, maxPage)
	case "offset":
		q.Offset, err = parseCount(name, value, 0, limiter.MaxWindow)
	case "after":
		q.After, err = parseAfter(value)
	case "in":
		q.In = value
	case "prefix":
		q.Prefix, err = value, checkPrefix(value)
	case "managed":
		q.Managed, err = parseManaged(value)
	default:
		return badRequest("unknown query parameter %s; want limit, offset, after, prefix or managed, or in=LIMIT", excerpt(strconv.Quote(name)))
	}
	return err
}

func parseCount(name, value string, least, most int) (int, error) {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n < uint64(least) || n > uint64(most) {
		return 0, badRequest("%s is %s; want a whole number from %d to %d", name, excerpt(strconv.Quote(value)), least, most)
	}
	return int(n), nil
}

// checkPrefix returns what is wrong with the beginning of a client_id.
func checkPrefix(value string) error {
	if value == "" {
		return badRequest("prefix is empty; want the beginning of a client_id, or no prefix=")
	}
	return checkClientID(value)
}

func parseManaged(value string) (*bool, error) {
	if value != "true" && value != "false" {
		return nil, badRequest("managed is %s; want true or false", excerpt(strconv.Quote(value)))
	}
	managed := value == "true"
	return &managed, nil
}

// nextPage is the Link from a page to the next one. If all of a page's buckets were removed while
// it was made, there is no client_id to go on from, so the Link is to the same page.
func nextPage(q limiter.Query, page []limiter.Snapshot, several bool) string {
	if len(page) > 0 {
		q.After, q.Offset = page[len(page)-1].Place(), 0
		if !several || q.In != "" {
			q.After.Limit = behindAll
		}
	}
	values := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if q.After != (limiter.Place{}) {
		values.Set("after", afterText(q.After))
	}
	if q.Offset > 0 {
		values.Set("offset", strconv.Itoa(q.Offset))
	}
	if q.In != "" {
		values.Set("in", q.In)
	}
	if q.Prefix != "" {
		values.Set("prefix", q.Prefix)
	}
	if q.Managed != nil {
		values.Set("managed", strconv.FormatBool(*q.Managed))
	}
	return "</buckets?" + values.Encode() + `>; rel="next"`
}

// A place in a listing is a client_id, with the limit behind a separator, which neither has. A
// client_id alone is the place behind all its buckets.
const (
	placeSeparator = "\x1f"
	behindAll      = "\xff" // No limit's name begins with that.
)

func afterText(at limiter.Place) string {
	if at.Limit == behindAll {
		return at.ClientID
	}
	return at.ClientID + placeSeparator + at.Limit
}

func parseAfter(value string) (limiter.Place, error) {
	clientID, limit, found := strings.Cut(value, placeSeparator)
	if !found {
		limit = behindAll
	}
	return limiter.Place{ClientID: clientID, Limit: limit}, checkClientID(clientID)
}
