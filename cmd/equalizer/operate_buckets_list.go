package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

// list prints one page, or all.
func (f *bucketsFlags) list(ctx context.Context, t terminal) error {
	if !f.all {
		return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
			page, response, err := readPage(ctx, admin, f.first())
			if err != nil {
				return err
			}
			if err := f.print(t.stdout, response, func() string { return bucketsTable(page).String() }); err != nil {
				return err
			}
			f.announceMore(t, response.Next)
			return nil
		})
	}
	all := []api.Bucket{}
	for path := f.first(); path != ""; {
		err := f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
			page, response, err := readPage(ctx, admin, path)
			all, path = append(all, page...), response.Next
			return err
		})
		if err != nil {
			return err
		}
	}
	response, err := encoded(all)
	if err != nil {
		return err
	}
	return f.print(t.stdout, response, func() string { return bucketsTable(all).String() })
}

// first is the path of the first page.
func (f *bucketsFlags) first() string {
	query := url.Values{"limit": {strconv.Itoa(f.page)}}
	for name, value := range map[string]string{"in": f.limit, "managed": f.managed, "prefix": f.prefix, "after": f.after} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "/buckets?" + query.Encode()
}

// readPage reads a page of buckets. Listings run one at a time, so it waits for its turn.
func readPage(ctx context.Context, admin *adminclient.Client, path string) (page []api.Bucket, r adminclient.Response, err error) {
	for {
		r, err = admin.Get(ctx, path, &page)
		var refused *adminclient.Problem
		if !errors.As(err, &refused) || refused.RetryAfter == 0 {
			return page, r, err
		}
		select {
		case <-time.After(refused.RetryAfter):
		case <-ctx.Done():
			return nil, r, err
		}
	}
}

// announceMore tells how to get the next page, beside the output proper.
func (f *bucketsFlags) announceMore(t terminal, next string) {
	if next == "" {
		return
	}
	target, err := url.Parse(next)
	if err != nil {
		return
	}
	fmt.Fprintf(t.stderr, "there are more: --all, or --after %s\n", url.QueryEscape(target.Query().Get("after")))
}

func bucketsTable(all []api.Bucket) table {
	rows := table{{"CLIENT", "LIMIT", "TOKENS", "CAPACITY", "REFILL", "TIER", "SET BY"}}
	for _, b := range all {
		by := "default"
		if b.Managed {
			by = "operator"
		}
		tier := b.Tier
		if b.TierGone {
			tier += " (gone)"
		}
		rows.add(b.ClientID, b.Limit, b.Tokens, b.Capacity, b.Refill, tier, by)
	}
	return rows
}
