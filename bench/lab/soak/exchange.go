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

	"golang.org/x/net/http2"
)

// do sends a request, and checks the response with check, which reads the body to its end or closes
// it.
func (c *client) do(ctx context.Context, method, path, clientID string, body io.Reader, check func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set(keyHeader, clientID)
	response, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return check(response)
}

// has checks that a response is a 200 with this body.
func has(want []byte) func(*http.Response) error {
	return func(response *http.Response) error {
		got, err := io.ReadAll(response.Body)
		switch {
		case err != nil:
			return err
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("answered with %s; want 200", response.Status)
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

func slowResponse(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/slow", c.id(), nil, has(bytes.Repeat([]byte(pattern), slowPieces)))
}

// slowReader takes a large response so slowly that it waits in the proxy's buffers and the
// kernel's.
func slowReader(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/large", c.id(), nil, func(response *http.Response) error {
		pause := time.NewTicker(20 * time.Millisecond)
		defer pause.Stop()
		for read := int64(0); ; <-pause.C {
			n, err := io.CopyN(io.Discard, response.Body, 32<<10)
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

// limitedClient is a client whose bucket is small.
func limitedClient(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/small", limitedID(c.n), nil, func(response *http.Response) error {
		_, err := io.Copy(io.Discard, response.Body)
		switch response.StatusCode {
		case http.StatusOK:
			c.admitted.Add(1)
		case http.StatusTooManyRequests:
			c.limited.Add(1)
		default:
			return fmt.Errorf("answered with %s; want 200 or 429", response.Status)
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
	return c.do(ctx, http.MethodPost, "/echo", c.id(), unsized, func(response *http.Response) error {
		if response.ContentLength >= 0 {
			return fmt.Errorf("a response with a length, %d; want it in chunks", response.ContentLength)
		}
		return has(body)(response)
	})
}

// cutResponse expects a response that breaks off. The proxy must not make it look whole.
func cutResponse(ctx context.Context, c *client) error {
	return c.do(ctx, http.MethodGet, "/cut", c.id(), nil, func(response *http.Response) error {
		got, err := io.ReadAll(response.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, new(http2.StreamError)) || string(got) != pattern {
			return fmt.Errorf("a response cut by the backend came as %q, %v; want %q, and that it is cut", got, err, pattern)
		}
		return nil
	})
}

// cancel begins an exchange by HTTP/2 and cancels it at some moment. Others on the connection go
// on.
func cancel(ctx context.Context, c *client) error {
	ctx, leave := context.WithTimeout(ctx, time.Duration(c.rng.IntN(20))*time.Millisecond)
	defer leave()
	var err error
	switch c.rng.IntN(3) {
	case 0:
		err = slowResponse(ctx, c)
	case 1:
		body, sending := io.Pipe() // nothing comes
		defer sending.Close()
		err = c.do(ctx, http.MethodPost, "/echo", c.id(), body, has(nil))
	case 2:
		err = c.do(ctx, http.MethodGet, "/large", c.id(), nil, func(response *http.Response) error {
			_, err := io.CopyN(io.Discard, response.Body, 10_000)
			return err
		})
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
