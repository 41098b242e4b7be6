package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBadBodies(t *testing.T) {
	r := start(t, nil)
	f := func(body, wantDetail string) {
		t.Run(body[:min(len(body), 40)], func(t *testing.T) {
			for _, req := range []request{
				{method: "POST", target: "/buckets", body: body},
				{method: "PUT", target: "/buckets/a", body: body},
				{method: "PATCH", target: "/buckets/a", body: body},
			} {
				p := r.do(t, req).problem(t, 400, "bad-request")
				assert.Contains(t, p["detail"], wantDetail)
			}
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	f("", "the body is empty")
	f(" \r\n\t", "the body is empty")
	f("null", "the body is null; want a JSON object")
	f("[]", "the body is []; want a JSON object")
	f(`[{"capacity":1}]`, "want a JSON object")
	f(`"capacity"`, "want a JSON object")
	f("15", "want a JSON object")
	f("{", "not JSON: unexpected end")
	f(`{"capacity":1`, "not JSON")
	f(`{"capacity":1}}`, "not JSON: invalid character '}' after top-level value (at byte 15)")
	f(`{"capacity":1} {}`, "not JSON")
	f(`{"capacity":1},`, "not JSON")
	f(`{"capacity":1,}`, "not JSON")
	f(`{capacity:1}`, "not JSON")
	f(`{'capacity':1}`, "not JSON")
	f(`{"capacity":01}`, "not JSON")
	f(`{"capacity":+1}`, "not JSON")
	f(`{"capacity":.5}`, "not JSON")
	f(`{"capacity":NaN}`, "not JSON")
	f(`{"capacity":1 /* x */}`, "not JSON")
	f(`{"refill":"1/1m`, "not JSON")
	f("{\"refill\":\"1/1m\n\"}", "not JSON")
	f("\xef\xbb\xbf{}", "not JSON")
	f("\xff\xfe{\x00}\x00", "not valid UTF-8")
	f("{\"refill\":\"\xff\"}", "not valid UTF-8")
	f("{\"\xff\":1}", "not valid UTF-8")
	f("{\"refill\":\"\xed\xa0\x80\"}", "not valid UTF-8")
	f(`{"refill":"\ud800"}`, `\ud800, which is half a surrogate pair`)
	f(`{"refill":"\uDFFF\uD800"}`, `\uDFFF, which is half`)
	f(`{"refill":"\ud800\ud800"}`, `\ud800, which is half`)
	f(`{"refill":"\ud800\n\udc00"}`, `\ud800, which is half`)
	f(`{"refill":"\\\ud800"}`, `\ud800, which is half`)
	f(`{"\udc00":1}`, `\udc00, which is half`)
	f(strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000), "exceeded max depth")

	f(`{"capacity":1,"burst":2}`, `unknown member "burst"; want capacity, `)
	f(`{"Capacity":1}`, `unknown member "Capacity"`)
	f(`{"":1}`, `unknown member ""`)
	f(`{"capacity ":1}`, `unknown member "capacity "`)
	f(`{"managed":true}`, `unknown member "managed"`)
	f(`{"`+strings.Repeat("x", 1000)+`":1}`, `xxx...; want`)
	f(`{"capacity":1,"capacity":1}`, "capacity is there twice")
	f(`{"capacity":1,"capac\u0069ty":1}`, "capacity is there twice")

	f(`{"capacity":"15"}`, `capacity is "15"; want a whole number of at least 1`)
	f(`{"capacity":null}`, "capacity is null; want")
	f(`{"capacity":true}`, "capacity is true; want")
	f(`{"capacity":[15]}`, "capacity is [15]; want")
	f(`{"capacity":{"a": {}}}`, `capacity is {"a": {}}; want`)
	f(`{"capacity":0}`, "capacity is 0; want")
	f(`{"capacity":-0}`, "capacity is -0; want")
	f(`{"capacity":-1}`, "capacity is -1; want")
	f(`{"capacity":1.5}`, "capacity is 1.5; want")
	f(`{"capacity":1.0}`, "capacity is 1.0; want")
	f(`{"capacity":1e2}`, "capacity is 1e2; want")
	f(`{"capacity":1E400}`, "capacity is 1E400; want")
	f(`{"capacity":9223372036854775808}`, "that fits 63 bits")
	f(`{"capacity":`+strings.Repeat("9", 1000)+`}`, "999...; want")
	f(`{"tokens":-1}`, "tokens is -1; want a whole number of at least 0")
	f(`{"tokens":null}`, "tokens is null; want")
	f(`{"tokens":0.5}`, "tokens is 0.5; want")
	f(`{"tokens":-9223372036854775809}`, "tokens is -9223372036854775809; want")
	f(`{"tokens":""}`, `tokens is ""; want`)

	f(`{"refill":1}`, "refill is 1; want a string")
	f(`{"refill":null}`, "refill is null; want a string")
	f(`{"refill":["1/1m"]}`, `refill is ["1/1m"]; want a string`)
	f(`{"refill":""}`, `refill "": no slash in it; want AMOUNT/DURATION`)
	f(`{"refill":"1"}`, "want AMOUNT/DURATION")
	f(`{"refill":"0/1m"}`, "amount 0 is below 1")
	f(`{"refill":"1/-1m"}`, "is not above 0")
	f(`{"refill":"1000001/s"}`, "faster than 1000000 tokens a second")
	f(`{"refill":"1/1m "}`, "is not a duration")
}

func TestBadCreations(t *testing.T) {
	r := start(t, nil)
	f := func(body, wantDetail string) {
		t.Run(body[:min(len(body), 40)], func(t *testing.T) {
			p := r.do(t, request{method: "POST", target: "/buckets", body: body}).problem(t, 400, "bad-request")
			assert.Contains(t, p["detail"], wantDetail)
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	f(`{}`, "capacity is missing")
	f(`{"client_id":"a"}`, "capacity is missing")
	f(`{"capacity":1}`, "client_id is missing or empty")
	f(`{"client_id":"","capacity":1}`, "client_id is missing or empty")
	f(`{"client_id":null,"capacity":1}`, "client_id is null; want a string")
	f(`{"client_id":12,"capacity":1}`, "client_id is 12; want a string")
	f(`{"client_id":"a","client_id":"b","capacity":1}`, "client_id is there twice")
	f(`{"client_id":"a\u0000","capacity":1}`, "control character at byte 1")
	f(`{"client_id":"\u007f","capacity":1}`, "control character")
	f(`{"client_id":"\u0085","capacity":1}`, "control character")
	f(`{"client_id":"a\nb","capacity":1}`, "control character")
	f(`{"client_id":"`+strings.Repeat("a", 257)+`","capacity":1}`, "is 257 bytes long; want 1 to 256")
	f(`{"client_id":"`+strings.Repeat("é", 129)+`","capacity":1}`, "is 258 bytes long")
}

func TestPathNamesTheClientOfAChange(t *testing.T) {
	r := start(t, nil)
	for _, method := range []string{"PUT", "PATCH"} {
		p := r.do(t, request{method: method, target: "/buckets/a", body: `{"client_id":"a"}`}).problem(t, 400, "bad-request")
		assert.Contains(t, p["detail"], `unknown member "client_id"; want capacity, refill, tier or tokens`)
	}
	assert.Empty(t, r.fake.takeCalls())
}

func TestEmptyPatch(t *testing.T) {
	r := start(t, nil)
	p := r.do(t, request{method: "PATCH", target: "/buckets/a", body: `{}`}).problem(t, 400, "bad-request")
	assert.Contains(t, p["detail"], "changes nothing")
	assert.Empty(t, r.fake.takeCalls())
}

func TestMediaTypes(t *testing.T) {
	r := start(t, nil)
	f := func(header ...string) {
		t.Run(strings.Join(header, ","), func(t *testing.T) {
			for _, req := range []request{
				{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`},
				{method: "PUT", target: "/buckets/a", body: `{}`},
				{method: "PATCH", target: "/buckets/a", body: `{"tokens":1}`},
			} {
				req.header = header
				p := r.do(t, req).problem(t, 415, "unsupported-media-type")
				assert.Contains(t, p["detail"], "want ")
			}
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	f("Content-Type:")
	f("Content-Type: text/plain")
	f("Content-Type: text/plain", "Content-Type: application/json")
	f("Content-Type: application/x-www-form-urlencoded")
	f("Content-Type: multipart/form-data; boundary=x")
	f("Content-Type: application/jsonp")
	f("Content-Type: application/problem+json")
	f("Content-Type: text/plain; application/json")
	f("Content-Type: application/json, text/plain")
	f("Content-Type: application/json; charset")
	f("Content-Type: application/json; charset=latin1")
	f("Content-Type: application/json", "Content-Encoding: gzip")
}
