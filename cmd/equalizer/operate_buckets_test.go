package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	oneBucket    = `{"client_id":"192.0.2.1","limit":"default","capacity":10,"tokens":4,"refill":"1/1m","managed":false,"last_refill":"2026-11-29T07:00:00.000Z"}`
	tieredBucket = `{"client_id":"ann","limit":"key","tier":"gold","tier_gone":true,"capacity":1000,"tokens":1000,"refill":"100/1s","managed":true,"last_refill":"2026-11-29T07:00:00.000Z"}`
)

func TestBucketsAreListed(t *testing.T) {
	const more = `</buckets?after=ann%1Fkey&limit=2>; rel="next"`
	f := startAdmin(t, map[string]string{
		"GET /buckets?limit=100":                                     "200 [" + oneBucket + "," + tieredBucket + "]",
		"GET /buckets?limit=2":                                       "200 " + more + " | [" + oneBucket + "]",
		"GET /buckets?after=ann%1Fkey&limit=2":                       "200 [" + tieredBucket + "]",
		"GET /buckets?in=key&limit=100&managed=false&prefix=a%26":    "200 []",
		"GET /buckets?after=ann%1Fkey&in=key&limit=100&managed=true": "200 []",
	})
	const head = "CLIENT     LIMIT    TOKENS  CAPACITY  REFILL  TIER         SET BY\n"
	const both = head + "192.0.2.1  default  4       10        1/1m    -            default\n" +
		"ann        key      1000    1000      100/1s  gold (gone)  operator\n"
	f.prints(t, 0, both, "", "buckets")
	f.prints(t, 0, both, "", "buckets", "list", "--all", "--page", "2")
	f.prints(t, 0, "["+oneBucket+","+tieredBucket+"]\n", "", "buckets", "--json", "--all", "--page", "2")
	f.prints(t, 0, "["+oneBucket+"]\n", "there are more: --all, or --after ann%1Fkey\n", "buckets", "--json", "--page", "2")
	f.prints(t, 0, "[]\n", "", "buckets", "--limit", "key", "--managed=false", "--prefix", "a&", "--json")
	f.prints(t, 0, "[]\n", "", "buckets", "--limit", "key", "--managed", "--after", "ann%1Fkey", "--json")
}

func TestBucketsAreChanged(t *testing.T) {
	f := startAdmin(t, map[string]string{
		"GET /buckets/192.0.2.1": "200 " + oneBucket, "PUT /buckets/192.0.2.1": "201 " + oneBucket, "PUT /buckets/a%2Fb?in=key": "200 " + tieredBucket,
		"DELETE /buckets/192.0.2.1": "204", "DELETE /limits/key/buckets": `200 {"limit":"key","deleted":3}`,
		"GET /buckets/nobody": `404 {"type":"urn:gopher-equalizer:no-bucket","detail":"client_id \"nobody\" has no bucket"}`,
	})
	const row = "CLIENT     LIMIT    TOKENS  CAPACITY  REFILL  TIER  SET BY\n192.0.2.1  default  4       10        1/1m    -     default\n"
	f.prints(t, 0, row, "", "buckets", "get", "192.0.2.1")
	f.prints(t, 0, oneBucket+"\n", "", "buckets", "get", "192.0.2.1", "--json")
	f.prints(t, 1, "", "equalizer: client_id \"nobody\" has no bucket\n", "buckets", "get", "nobody")
	f.asked = nil
	f.prints(t, 0, row, "", "buckets", "set", "192.0.2.1", "--capacity", "10", "--refill", "1/1m", "--tokens", "0")
	f.prints(t, 0, tieredBucket+"\n", "", "buckets", "set", "a/b", "--limit", "key", "--tier", "gold", "--json")
	f.prints(t, 0, "192.0.2.1: deleted; its next request starts a full bucket on the defaults\n", "", "buckets", "reset", "192.0.2.1")
	f.prints(t, 0, "", "", "buckets", "reset", "192.0.2.1", "--json")
	f.prints(t, 0, "key: 3 buckets deleted\n", "", "buckets", "purge", "key", "--yes")
	assert.Equal(t, []string{
		`PUT /buckets/192.0.2.1 {"capacity":10,"refill":"1/1m","tokens":0}`, `PUT /buckets/a%2Fb?in=key {"tier":"gold"}`,
		"DELETE /buckets/192.0.2.1", "DELETE /buckets/192.0.2.1", "DELETE /limits/key/buckets",
	}, f.asked)
}
