package proxy

import (
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/identity"
)

func bucketSettings(t require.TestingT, capacity int64, refill string) gcra.Settings {
	r, err := gcra.ParseRefill(refill)
	require.NoError(t, err)
	s := gcra.Settings{Capacity: capacity, Refill: r}
	require.NoError(t, s.Validate())
	return s
}

func TestLimited(t *testing.T) {
	l := &fakeLimiter{decision: &limiter.Decision{RetryAfter: 59_200 * time.Millisecond, Settings: new(bucketSettings(t, 10, "1/1m"))}}
	s := settings()
	s.Limit = "default"
	b, _ := answering(t, ok)
	c := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l).dial()
	require.True(t, c.send(http1test.Get("Connection: close")))
	whole, err := io.ReadAll(c.br)
	require.NoError(t, err)
	varies := regexp.MustCompile(`\r\n(Date|X-Request-ID): [^\r]*`)
	assert.Equal(t, "HTTP/1.1 429 Too Many Requests\r\n"+
		"Content-Type: application/problem+json\r\n"+
		"Content-Length: 193\r\n"+
		"Retry-After: 60\r\n"+
		"RateLimit: \"default\";r=0;t=60\r\n"+
		"RateLimit-Policy: \"default\";q=10;w=600\r\n"+
		"Connection: close\r\n\r\n"+
		`{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",`+
		`"title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"violated-policies":["default"]}`+"\n",
		varies.ReplaceAllString(string(whole), ""))
	assert.Len(t, varies.FindAll(whole, -1), 2)
}

func TestLimitedFields(t *testing.T) {
	f := func(name string, s gcra.Settings, d limiter.Decision, retryAfter, state, policy string) {
		t.Helper()
		d.Settings = &s
		want := http1test.Lines("Retry-After: "+retryAfter, "RateLimit: "+state, "RateLimit-Policy: "+policy)
		use := NewLimitUse(name, identity.Key{}, nil)
		r := &request{}
		r.charges.add(&use, "")
		r.charges.uses[0].Decision = d
		r.refuseAll()
		r.own.Lines = r.charges.fields
		_, fields, _ := strings.Cut(string(r.own.AppendHead(nil)), "\r\nContent-Length: ")
		_, fields, _ = strings.Cut(fields, "\r\n")
		assert.Equal(t, want, fields)
	}
	wait := func(d time.Duration) limiter.Decision { return limiter.Decision{RetryAfter: d} }
	f("a", bucketSettings(t, 100, "10/s"), wait(time.Millisecond), "1", `"a";r=0;t=1`, `"a";q=100;w=10`)
	f("a", bucketSettings(t, 1, "100/s"), wait(0), "1", `"a";r=0;t=1`, `"a";q=1;w=1`)
	f("a", bucketSettings(t, 3, "3/s"), wait(time.Second), "1", `"a";r=0;t=1`, `"a";q=3;w=1`)
	f("a", bucketSettings(t, 4, "3/s"), wait(time.Second+1), "2", `"a";r=0;t=2`, `"a";q=4;w=2`)
	f("a", bucketSettings(t, 15, "1/1h30m"), limiter.Decision{RetryAfter: time.Hour, Remaining: 2}, "3600", `"a";r=2;t=3600`, `"a";q=15;w=81000`)
	// A structured field's integer has 15 digits.
	f("a", bucketSettings(t, 1_500_000_000_000_000, "1000000/s"), wait(1), "1", `"a";r=0;t=1`, `"a";q=999999999999999;w=1500000000`)
	f(`a"b\`, bucketSettings(t, 1, "1/s"), wait(1), "1", `"a\"b\\";r=0;t=1`, `"a\"b\\";q=1;w=1`)
	f("caf\u00e9\n", bucketSettings(t, 1, "1/s"), wait(1), "1", `"caf%C3%A9%0A";r=0;t=1`, `"caf%C3%A9%0A";q=1;w=1`)
}

func TestRetryAfterIsNeverTooEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wait := time.Duration(rapid.Int64Range(0, 1<<61).Draw(t, "wait"))
		seconds := retrySeconds(wait)
		require.GreaterOrEqual(t, seconds, int64(1))
		require.GreaterOrEqual(t, time.Duration(seconds)*time.Second, wait)
		if seconds > 1 {
			require.Less(t, time.Duration(seconds-1)*time.Second, wait)
		}
	})
}

// The window is the exact quotient, rounded up.
func TestFillSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := gcra.Settings{
			Capacity: rapid.Int64Range(1, 1<<50).Draw(t, "capacity"),
			Refill: gcra.Refill{
				Amount: rapid.Int64Range(1, 1_000_000).Draw(t, "amount"),
				Per:    time.Duration(rapid.Int64Range(1, 1<<50).Draw(t, "per")),
			},
		}
		if s.Validate() != nil {
			return
		}
		exact := new(big.Int).Mul(big.NewInt(s.Capacity), big.NewInt(int64(s.Refill.Per)))
		second := new(big.Int).Mul(big.NewInt(s.Refill.Amount), big.NewInt(int64(time.Second)))
		want, rest := new(big.Int).QuoRem(exact, second, new(big.Int))
		if rest.Sign() > 0 {
			want.Add(want, big.NewInt(1))
		}
		require.Equal(t, want.Int64(), fillSeconds(s))
	})
}

// over is a request that two of three limits refuse.
func over(t require.TestingT) *request {
	r := &request{}
	for i, name := range []string{"a", "b\"", "c"} {
		use := NewLimitUse(name, identity.Key{}, nil)
		d := limiter.Decision{Allowed: i == 0, Remaining: 5, Settings: new(bucketSettings(t, 10, "1/1m"))}
		if i > 0 {
			d.Remaining, d.RetryAfter = 0, time.Duration(i)*time.Minute
		}
		r.charges.add(&use, "")
		r.charges.uses[i].Decision = d
	}
	return r
}

func (r *request) refuseAll() {
	r.charges.fields = r.charges.appendFields(r.charges.fields[:0])
	r.charges.refuse(&r.own)
}

// All limits that refuse are named, the longest wait counts, and the fields list those that don't
// refuse, too.
func TestSeveralLimitsRefuse(t *testing.T) {
	r := over(t)
	r.refuseAll()
	assert.Equal(t, "RateLimit: \"a\";r=5, \"b\\\"\";r=0;t=60, \"c\";r=0;t=120\r\n"+
		"RateLimit-Policy: \"a\";q=10;w=600, \"b\\\"\";q=10;w=600, \"c\";q=10;w=600\r\n", string(r.charges.fields))
	assert.Contains(t, string(r.own.AppendHead(nil)), "\r\nRetry-After: 120\r\n")
	assert.JSONEq(t, `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",
		"title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"violated-policies":["b\"","c"]}`, string(r.own.Body))
}

func TestLimitedDoesNotAllocate(t *testing.T) {
	r := over(t)
	assert.Zero(t, testing.AllocsPerRun(100, r.refuseAll))
}

func BenchmarkLimited(b *testing.B) {
	r := over(b)
	b.ReportAllocs()
	for b.Loop() {
		r.refuseAll()
	}
}
