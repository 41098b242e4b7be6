package proxy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/identity"
)

// The header that clients are limited by is passed on; fields that a backend could mistake for it
// are not.
func TestImitationsOfTheKeyAreDropped(t *testing.T) {
	b, got := answering(t, ok)
	f := func(spec string, kept, dropped []string) {
		t.Helper()
		s := settings()
		key, err := identity.ParseKey(spec, true)
		require.NoError(t, err)
		s.Key = key
		p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), allowAll{})
		p.dial().do(http1test.Get(append(dropped, kept...)...))
		all := got.list()
		for _, line := range kept {
			assert.Contains(t, all[len(all)-1], "\r\n"+line+"\r\n")
		}
		for _, line := range dropped {
			assert.NotContains(t, all[len(all)-1], line)
		}
	}
	f("header:X-Api-Key", []string{"X-Api-Key: 1", "x-api-key: 2", "X-Api-Kex: 3", "X_Api_Keys: 4"},
		[]string{"X_Api_Key: a", "x_api-key: b", "X.Api.Key: c", "x-api_KEY: d"})
	f("header:Authorization", []string{"authorization: 1"}, nil)
	f("header:X_odd.Name!", []string{"x_odd.name!: 1"}, []string{"X-Odd-Name-: a", "X_Odd_Name_: b"})
	f("ip", []string{"X-Api-Key: 1", "X_Api_Key: 2"}, nil)
}
