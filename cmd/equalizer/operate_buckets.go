package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
	"gopher-equalizer/limiter/gcra"
)

const bucketsUsage = `equalizer buckets shows and changes clients' buckets in a running process.

  equalizer buckets [list]                list them, by client_id
  equalizer buckets get CLIENT            one client's
  equalizer buckets set CLIENT [--capacity N] [--refill R] [--tokens N] [--tier NAME]
                                          give a client numbers of its own, or a tier;
                                          what isn't said stays as it is
  equalizer buckets reset CLIENT          delete it: the client starts over on the
                                          defaults, with a full bucket
  equalizer buckets purge LIMIT --yes     delete all buckets of a limit that an operator
                                          set, also of a limit that isn't configured any more

CLIENT is the client_id as listed, or a header's value itself, which is hashed there.

  --limit NAME       the limit that it is about; needed where there are several
  --managed          list only those that an operator set; --managed=false: the others
  --prefix TEXT      list only those whose client_id begins with it
  --page N           how many a page has, 1 to 1000 (default 100)
  --after PLACE      the page behind a place that list printed
  --all              all pages
  --capacity N       with set: the tokens that it holds
  --refill R         with set: how fast it earns them, such as 10/s, 5/10s, 1000/30d
  --tokens N         with set: the tokens that it has now
  --tier NAME        with set: the tier whose numbers it has
  --yes              with purge: do it
` + adminFlagsUsage

// bucketsFlags are the flags of `equalizer buckets`.
type bucketsFlags struct {
	*adminFlags
	limit, managed, prefix, after, tier string
	page                                int
	capacity, tokens                    int64
	refill                              gcra.Refill
	all, yes                            bool
	// common are the flags that each verb takes, and given those of the command line.
	common, given map[string]bool
}

// runBuckets is `equalizer buckets`.
func runBuckets(ctx context.Context, args []string, t terminal) error {
	f := newBucketsFlags(t)
	words, err := parseWith(f.flagSet, args, 2)
	if err != nil {
		return err
	}
	f.Visit(func(one *flag.Flag) { f.given[one.Name] = true })
	verb := "list"
	if len(words) > 0 {
		verb, words = words[0], words[1:]
	}
	if err := f.check(verb, words); err != nil {
		return err
	}
	switch verb {
	case "list":
		return f.list(ctx, t)
	case "get":
		return f.one(ctx, t, http.MethodGet, words[0], nil)
	case "set":
		return f.one(ctx, t, http.MethodPut, words[0], f.change())
	case "reset":
		return f.reset(ctx, t, words[0])
	}
	return f.purge(ctx, t, words[0])
}

func newBucketsFlags(t terminal) *bucketsFlags {
	f := &bucketsFlags{adminFlags: newAdminFlags("buckets", bucketsUsage, t).withJSON(), common: map[string]bool{}, given: map[string]bool{}}
	f.VisitAll(func(one *flag.Flag) { f.common[one.Name] = true })
	f.StringVar(&f.limit, "limit", "", "")
	f.BoolFunc("managed", "", func(text string) error {
		is, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("want true or false")
		}
		f.managed = strconv.FormatBool(is)
		return nil
	})
	f.StringVar(&f.prefix, "prefix", "", "")
	f.Func("after", "", func(text string) (err error) {
		f.after, err = url.QueryUnescape(text)
		return err
	})
	f.IntVar(&f.page, "page", 100, "")
	f.BoolVar(&f.all, "all", false, "")
	f.Int64Var(&f.capacity, "capacity", 0, "")
	f.TextVar(&f.refill, "refill", gcra.Refill{Amount: 1, Per: 1}, "")
	f.Int64Var(&f.tokens, "tokens", 0, "")
	f.StringVar(&f.tier, "tier", "", "")
	f.BoolVar(&f.yes, "yes", false, "")
	return f
}

// flagsOf are the flags that a verb of `equalizer buckets` takes besides the common ones.
func flagsOf(verb string) []string {
	switch verb {
	case "list":
		return []string{"limit", "managed", "prefix", "page", "after", "all"}
	case "set":
		return []string{"limit", "capacity", "refill", "tokens", "tier"}
	case "purge":
		return []string{"yes"}
	}
	return []string{"limit"}
}

// check finds what makes no sense in the command line.
func (f *bucketsFlags) check(verb string, words []string) error {
	wanted := 1
	if verb == "list" {
		wanted = 0
	}
	if err := checkVerb("buckets", verb, words, wanted); err != nil {
		return err
	}
	for name := range f.given {
		if !f.common[name] && !slices.Contains(flagsOf(verb), name) {
			return usageError{fmt.Sprintf("buckets %s takes no --%s", verb, name)}
		}
	}
	switch {
	case len(words) > 0 && words[0] == "":
		return usageError{"the client_id is empty; want 1 to 256 bytes"}
	case verb == "set" && len(f.change()) == 0:
		return usageError{"buckets set changes nothing; want --capacity, --refill, --tokens or --tier"}
	case verb == "purge" && !f.yes:
		return usageError{fmt.Sprintf("buckets purge deletes every bucket of the limit %s that an operator set; want --yes to do it", words[0])}
	}
	return nil
}

// change is what set writes.
func (f *bucketsFlags) change() map[string]any {
	all := map[string]any{"capacity": f.capacity, "refill": f.refill, "tokens": f.tokens, "tier": f.tier}
	for name := range all {
		if !f.given[name] {
			delete(all, name)
		}
	}
	return all
}

// path is that of a client's bucket.
func (f *bucketsFlags) path(client string) string {
	path := api.BucketPath(client)
	if f.limit != "" {
		path += "?in=" + url.QueryEscape(f.limit)
	}
	return path
}

// byFlag is an error in the words of the command line: in= of the API is its --limit.
func byFlag(err error) error {
	var refused *adminclient.Problem
	if errors.As(err, &refused) {
		if rest, ok := strings.CutPrefix(refused.Detail, "in= "); ok {
			refused.Detail = "--limit " + rest
		}
	}
	return err
}

// one makes a call about one bucket, and prints what it is then.
func (f *bucketsFlags) one(ctx context.Context, t terminal, method, client string, body any) error {
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err := admin.Call(ctx, method, f.path(client), body)
		if err != nil {
			return byFlag(err)
		}
		var b api.Bucket
		if err := admin.Decode(response, &b); err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return bucketsTable([]api.Bucket{b}).String() })
	})
}

func (f *bucketsFlags) reset(ctx context.Context, t terminal, client string) error {
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err := admin.Call(ctx, http.MethodDelete, f.path(client), nil)
		if err != nil {
			return byFlag(err)
		}
		return f.print(t.stdout, response, func() string { return client + ": deleted; its next request starts a full bucket on the defaults\n" })
	})
}

func (f *bucketsFlags) purge(ctx context.Context, t terminal, limit string) error {
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err := admin.Call(ctx, http.MethodDelete, "/limits/"+url.PathEscape(limit)+"/buckets", nil)
		if err != nil {
			return err
		}
		var done api.Cleared
		if err := admin.Decode(response, &done); err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return fmt.Sprintf("%s: %s deleted\n", limit, count(done.Deleted, "bucket")) })
	})
}
