package api

import (
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The first response that is written starts fasthttp's clock for the Date header. That must not
	// be in a synctest bubble, which would wait for its end.
	_ = (&fasthttp.ResponseHeader{}).Header()
	goleak.VerifyTestMain(m,
		// That clock runs for as long as the process does, and the cleaner of fasthttp's worker
		// pool sees that its server has ended when it wakes next, after 10 s.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}
