//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// do sends a request and has the answer checked. The body is read to its end or closed by check.
func (c *client) do(ctx context.Context, method, path, clientID string, body io.Reader, check func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, body)
	if err != nil {
		return err
	}
	req.Header.Set(keyHeader, clientID)
	answer, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return check(answer)
}

// has checks that an answer is a 200 with this body.
func has(want []byte) func(*http.Response) error {
	return func(answer *http.Response) error {
		got, err := io.ReadAll(answer.Body)
		switch {
		case err != nil:
			return err
		case answer.StatusCode != http.StatusOK:
			return fmt.Errorf("answered with %s; want 200", answer.Status)
		case !bytes.Equal(got, want):
			return fmt.Errorf("a body of %d bytes; want %d, all as they were sent", len(got), len(want))
		}
		return nil
	}
}

func small(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/small", c.id(), nil, has([]byte(pattern)))
}

func onNewConnection(ctx context.Context, c *client) error {
	defer c.http.CloseIdleConnections()
	return small(ctx, c)
}

func largeAnswer(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/large", c.id(), nil, has(large()))
}

func slowAnswer(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/slow", c.id(), nil, has(bytes.Repeat([]byte(pattern), slowPieces)))
}

// slowReader takes a large answer so slowly that it waits in the proxy's buffers and the kernel's.
func slowReader(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/large", c.id(), nil, func(answer *http.Response) error {
		pause := time.NewTicker(20 * time.Millisecond)
		defer pause.Stop()
		for read := int64(0); ; <-pause.C {
			n, err := io.CopyN(io.Discard, answer.Body, 32<<10)
			read += n
			if errors.Is(err, io.EOF) && read == largeSize {
				return nil
			}
			if err != nil {
				return fmt.Errorf("after %d bytes: %w", read, err)
			}
		}
	})
}

// limitedClient is one whose bucket is small.
func limitedClient(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/small", limitedID(c.n), nil, func(answer *http.Response) error {
		_, err := io.Copy(io.Discard, answer.Body)
		switch answer.StatusCode {
		case http.StatusOK:
			c.admitted.Add(1)
		case http.StatusTooManyRequests:
			c.limited.Add(1)
		default:
			return fmt.Errorf("answered with %s; want 200 or 429", answer.Status)
		}
		return err
	})
}

func limitedID(n int) string { return fmt.Sprintf("limited-%d", n) }

// uploadSize is what goes up and back.
const uploadSize = 256 << 10

func upload(ctx context.Context, c *client) error {
	body := large()[:uploadSize]
	return c.do(ctx, http.MethodPost, "/echo", c.id(), bytes.NewReader(body), has(body))
}

func chunkedBothWays(ctx context.Context, c *client) error {
	body := large()[:uploadSize]
	unsized := io.MultiReader(bytes.NewReader(body)) // net/http can't see its length
	return c.do(ctx, http.MethodPost, "/echo", c.id(), unsized, func(answer *http.Response) error {
		if answer.ContentLength >= 0 {
			return fmt.Errorf("an answer with a length, %d; want it in chunks", answer.ContentLength)
		}
		return has(body)(answer)
	})
}

// cutAnswer must break off: an answer that looks whole would be one that was made up.
func cutAnswer(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/cut", c.id(), nil, func(answer *http.Response) error {
		got, err := io.ReadAll(answer.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != pattern {
			return fmt.Errorf("an answer cut by the backend came as %q, %v; want %q, %w", got, err, pattern, io.ErrUnexpectedEOF)
		}
		return nil
	})
}
