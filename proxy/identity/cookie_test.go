package identity

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1"
)

func TestCookie(t *testing.T) {
	f := func(want string, values ...string) {
		t.Helper()
		fields := []http1.Field{{Name: []byte("Accept"), Value: []byte("at=wrong")}}
		for _, v := range values {
			fields = append(fields, http1.Field{Name: []byte("cOOkie"), Value: []byte(v)})
		}
		assert.Equal(t, want, string(Cookie(fields, "at")))
	}
	f("")
	f("1", "at=1")
	f("1", "at=1; at=2")
	f("2", "a=1; at=2;c=3")
	f("2", "a=1;at=2")
	f("3", "a=1; cat=2", "at=3")
	f("a=b", "at=a=b")
	f("", "at")
	f("", "At=1")
	f("", "at=")
	f("", "at =1")
	f("", ";;; at2=3; ;")
}
