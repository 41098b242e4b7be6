package route

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exempting makes one entry.
func exempting(t require.TestingT, networks, methods, prefixes []string) Exemption {
	e, err := ParseExemption(networks, methods, prefixes)
	require.NoError(t, err)
	return e
}

func TestParseExemptionErrors(t *testing.T) {
	_, err := ParseExemption(nil, nil, nil)
	assert.EqualError(t, err, "exempts every request; want networks, methods or path_prefixes")
	_, err = ParseExemption([]string{"10.0.0.0/8", "x"}, []string{"get"}, []string{"/a", "b"})
	assert.EqualError(t, err, "unexpected network \"x\": want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32\n"+
		"unexpected method \"get\": methods are in capitals; want GET\nunexpected path prefix \"b\": want a path that begins with a slash, such as /v1")
}

func TestExemptions(t *testing.T) {
	e := NewExemptions([]Exemption{
		exempting(t, []string{"10.0.0.0/8", "2001:db8::/32"}, nil, nil),
		exempting(t, nil, []string{"OPTIONS"}, nil),
		exempting(t, nil, []string{"GET"}, []string{"/health", "/static/css"}),
		exempting(t, []string{"192.0.2.7"}, []string{"POST"}, []string{"/"}),
	})
	f := func(want bool, client, method, path string) {
		t.Helper()
		exempt, ambiguous := e.Cover(netip.MustParseAddr(client), []byte(method), pathOf(path, Refuse))
		assert.False(t, ambiguous)
		assert.Equal(t, want, exempt)
	}
	f(true, "10.1.2.3", "POST", "/login")
	f(true, "::ffff:10.1.2.3", "POST", "/login")
	f(true, "2001:db8::1", "POST", "/login")
	f(true, "10.1.2.3", "GET", "/health/..%2flogin") // Any path is exempt for them.
	f(false, "11.0.0.1", "POST", "/login")
	f(true, "11.0.0.1", "OPTIONS", "/login")
	f(true, "11.0.0.1", "GET", "/health")
	f(true, "11.0.0.1", "HEAD", "/health/live?x")
	f(true, "11.0.0.1", "GET", "/static//./css/x")
	f(false, "11.0.0.1", "GET", "/static")
	f(false, "11.0.0.1", "GET", "/healthy")
	f(false, "11.0.0.1", "POST", "/health")
	f(true, "192.0.2.7", "POST", "/x")
	f(false, "192.0.2.7", "GET", "/x")

	exempt, ambiguous := e.Cover(netip.MustParseAddr("11.0.0.1"), []byte("GET"), pathOf("/health/..%2flogin", Refuse))
	assert.True(t, !exempt && ambiguous)
	exempt, ambiguous = e.Cover(netip.MustParseAddr("11.0.0.1"), []byte("GET"), pathOf("/health/..%2flogin", Pass))
	assert.True(t, !exempt && !ambiguous)
	exempt, ambiguous = e.Cover(netip.MustParseAddr("11.0.0.1"), []byte("POST"), pathOf("/health/..%2flogin", Refuse))
	assert.True(t, !exempt && !ambiguous, "no entry that has the method asks for the path")
	exempt, ambiguous = e.Cover(netip.Addr{}, []byte("POST"), pathOf("/x", Refuse))
	assert.True(t, !exempt && !ambiguous, "a peer without an address is in no network")

	var none Exemptions
	exempt, ambiguous = none.Cover(netip.MustParseAddr("10.0.0.1"), []byte("GET"), pathOf("/..%2f", Refuse))
	assert.True(t, !exempt && !ambiguous)
}

// A path that the routes found ambiguous, and let pass, is never exempt, even where exemptions
// would agree.
func TestAmbiguousIsNeverExempt(t *testing.T) {
	table := tableOf(t, spec{prefix: "/a"}, spec{prefix: "/b"})
	e := NewExemptions([]Exemption{exempting(t, nil, []string{"GET"}, nil)})
	p := pathOf("/a/..%2Fb", Pass)
	found, _ := table.Match(nil, []byte("GET"), p, nil)
	require.Equal(t, "/a", found.Name)
	exempt, ambiguous := e.Cover(netip.Addr{}, []byte("GET"), p)
	assert.True(t, !exempt && !ambiguous)
	p.Read([]byte("/a"))
	exempt, _ = e.Cover(netip.Addr{}, []byte("GET"), p)
	assert.True(t, exempt)
}

func TestIsPreflight(t *testing.T) {
	origin, asks := [2]string{"oRigin", "https://a"}, [2]string{"access-control-request-Method", "PUT"}
	assert.True(t, IsPreflight([]byte("OPTIONS"), fieldsOf(origin, asks)))
	assert.False(t, IsPreflight([]byte("OPTIONS"), fieldsOf(origin)))
	assert.False(t, IsPreflight([]byte("OPTIONS"), fieldsOf(asks)))
	assert.False(t, IsPreflight([]byte("GET"), fieldsOf(origin, asks)))
}
