package bench

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func valid() Settings {
	s := Default()
	s.Target = "http://127.0.0.1:3000/"
	return s
}

func TestValidate(t *testing.T) {
	f := func(change func(*Settings), want string) {
		t.Helper()
		s := valid()
		change(&s)
		err := s.Validate()
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, want)
	}
	f(func(*Settings) {}, "")
	f(func(s *Settings) { s.Through = "https://edge.example.com/path?query" }, "")
	f(func(s *Settings) { s.Target = "http://[::1]:80" }, "")
	f(func(s *Settings) { s.Rate, s.Duration = MaxRate, 100*time.Second }, "")
	f(func(s *Settings) { s.Rate, s.Duration = 20, time.Second }, "")
	f(func(s *Settings) { s.Header = http.Header{"X-Api-Key": {"a b\u00e9"}} }, "")

	f(func(s *Settings) { s.Target = "" }, "target is missing: want http://HOST:PORT/PATH")
	f(func(s *Settings) { s.Target = "localhost:3000" }, `target "localhost:3000"; want http://HOST:PORT/PATH, or https`)
	f(func(s *Settings) { s.Target = "http:///path" }, `target "http:///path"; want http://HOST:PORT/PATH, or https`)
	f(func(s *Settings) { s.Through = "ftp://a/" }, `through "ftp://a/"; want http://HOST:PORT/PATH, or https`)
	f(func(s *Settings) { s.Through = "http://u:hunter2@a/" }, `through "http://u:xxxxx@a/" has a user in it; want an Authorization header for that`)
	f(func(s *Settings) { s.Through = "http://u:hunter 2@a/" }, "through is no URL: net/url: invalid userinfo; want http://HOST:PORT/PATH, or https")
	f(func(s *Settings) { s.Target = "127.0.0.1:80" }, "target is no URL: first path segment in URL cannot contain colon; want http://HOST:PORT/PATH, or https")
	f(func(s *Settings) { s.Target = "http://a:65536/" }, `target "http://a:65536/" has port 65536; want 1 to 65535`)
	f(func(s *Settings) { s.Target = "http://a:0/" }, `target "http://a:0/" has port 0; want 1 to 65535`)
	f(func(s *Settings) { s.Target = "http://a:65535/" }, "")
	f(func(s *Settings) { s.Rate = 0 }, "rate 0; want 1 to 10000 requests a second")
	f(func(s *Settings) { s.Rate = 10_001 }, "rate 10001; want 1 to 10000 requests a second")
	f(func(s *Settings) { s.Duration = 999 * time.Millisecond }, "duration 999ms; want 1s to 10m0s")
	f(func(s *Settings) { s.Duration = time.Hour }, "duration 1h0m0s; want 1s to 10m0s")
	f(func(s *Settings) { s.Timeout = 0 }, "timeout 0s; want 1ms to 1m0s")
	f(func(s *Settings) { s.Timeout = time.Hour }, "timeout 1h0m0s; want 1ms to 1m0s")
	f(func(s *Settings) { s.Rate, s.Duration = MaxRate, 101*time.Second }, "rate 10000 for 1m41s is 1010000 requests; want 1000000 at most")
	f(func(s *Settings) { s.Rate, s.Duration = 19, time.Second }, "rate 19 for 1s is 19 requests; want 20 at least")
	f(func(s *Settings) { s.Header = http.Header{"X Y": {"secret"}} }, `header "X Y" is no name; want letters, digits and -`)
	f(func(s *Settings) { s.Header = http.Header{"X": {"ok", "secret\r\nY: z"}} }, "header X has a control character in its value")
}

// All settings that are accepted are planned within their own bounds.
func TestPlanKeepsToTheBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := valid()
		s.Rate = rapid.IntRange(1, MaxRate).Draw(t, "rate")
		s.Duration = time.Duration(rapid.Int64Range(int64(minDuration), int64(MaxDuration)).Draw(t, "duration"))
		sides := 1
		if rapid.Bool().Draw(t, "through") {
			s.Through, sides = s.Target, 2
		}
		if s.Validate() != nil {
			return
		}
		perRound, rounds := s.plan()
		all := sides * perRound * rounds
		require.Positive(t, perRound)
		require.GreaterOrEqual(t, rounds, minRounds)
		require.LessOrEqual(t, all, MaxRequests)
		require.LessOrEqual(t, time.Duration(all)*time.Second/time.Duration(s.Rate), s.Duration)
		require.LessOrEqual(t, time.Duration(perRound)*time.Second/time.Duration(s.Rate), time.Second, "rounds are short")
	})
}

func TestPlan(t *testing.T) {
	f := func(rate int, duration time.Duration, through string, wantPerRound, wantRounds int) {
		t.Helper()
		perRound, rounds := Settings{Rate: rate, Duration: duration, Through: through}.plan()
		assert.Equal(t, []int{wantPerRound, wantRounds}, []int{perRound, rounds})
	}
	f(100, 20*time.Second, "", 50, 40)
	f(100, 20*time.Second, "http://a/", 50, 20)
	f(100, time.Second, "http://a/", 12, 4)
	f(1, 20*time.Second, "http://a/", 1, 10)
	f(10_000, 100*time.Second, "http://a/", 5000, 100)
}
