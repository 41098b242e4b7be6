package api

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/api/page"
)

// livePage serves the files of the page. They hold no data, so they need no token: the page asks
// for it, and sends it with its calls.
func (s *snapshot) livePage(ctx *fasthttp.RequestCtx) error {
	content, mediaType := page.File(string(ctx.Request.URI().PathOriginal()))
	if content == nil {
		return s.noCall(ctx)
	}
	header := &ctx.Response.Header
	header.SetContentType(mediaType)
	header.Set(fasthttp.HeaderContentSecurityPolicy, page.Policy)
	header.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	ctx.Response.SetBodyRaw(content)
	return nil
}

// isOfPage reports whether a path is that of a file of the page.
func isOfPage(path string) bool {
	content, _ := page.File(path)
	return content != nil
}
